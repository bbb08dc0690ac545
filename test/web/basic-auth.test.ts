import { describe, expect, test } from 'vitest';
import { parseBasicAuth } from '../../src/web/basic-auth.ts';

const basic = (pair: string) => ({
  authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
});

describe('a name and a password in a header', () => {
  test.each<[string | undefined, object | undefined]>([
    [basic('a:b').authorization, { username: 'a', password: 'b' }],
    [basic('a:b:c').authorization, { username: 'a', password: 'b:c' }],
    [basic('a:').authorization, { username: 'a', password: '' }],
    [basic('ä:ö').authorization, { username: 'ä', password: 'ö' }],
    [basic('a').authorization, undefined],
    ['Bearer abc', undefined],
    ['Basic !!!', undefined],
    ['Basic', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (header, credentials) => {
    expect(parseBasicAuth(header)).toEqual(credentials);
  });
});
