import { describe, expect, test } from 'vitest';
import { parseAcl } from '../../../src/bus/access/acl-file.ts';
import { type Identity, type Rules, rulesOf } from '../../../src/bus/access/rules.ts';

const ACL = `
# Without a name
topic read public/#

user kitchen
topic readwrite kitchen/#
topic deny kitchen/secret/#
topic write orders
topic read with space/+

user cellar
topic cellar/both
topic read $SYS/broker/#

pattern write devices/%u/%c/up
pattern read devices/%u/#
pattern deny devices/%u/private
`;

function rules(acl: string, identity: Partial<Identity>): Rules {
  return rulesOf(parseAcl(acl, 'acl'), { user: undefined, clientId: 'c1', ...identity });
}

describe('a list of rules', () => {
  test.each<[string | undefined, 'read' | 'write', string, boolean]>([
    [undefined, 'read', 'public/a', true],
    [undefined, 'write', 'public/a', false],
    [undefined, 'read', 'kitchen/a', false],
    ['kitchen', 'read', 'public/a', false],
    ['kitchen', 'read', 'kitchen/a', true],
    ['kitchen', 'write', 'kitchen/a/b', true],
    ['kitchen', 'read', 'kitchen/secret/a', false],
    ['kitchen', 'write', 'kitchen/secret', false],
    ['kitchen', 'write', 'orders', true],
    ['kitchen', 'read', 'orders', false],
    ['kitchen', 'read', 'with space/a', true],
    ['kitchen', 'read', 'cellar/both', false],
    ['cellar', 'read', 'cellar/both', true],
    ['cellar', 'write', 'cellar/both', true],
    ['cellar', 'read', '$SYS/broker/load', true],
    ['cellar', 'write', 'devices/cellar/c1/up', true],
    ['cellar', 'write', 'devices/cellar/c2/up', false],
    ['cellar', 'write', 'devices/kitchen/c1/up', false],
    ['cellar', 'read', 'devices/cellar/anything', true],
    ['cellar', 'read', 'devices/cellar/private', false],
    ['stranger', 'read', 'public/a', false],
    [undefined, 'read', 'devices/undefined/x', false],
    [undefined, 'read', 'devices//x', false],
  ])('user %s may %s %s: %s', (user, direction, topic, allowed) => {
    const one = rules(ACL, { user });
    expect(direction === 'read' ? one.mayRead(topic) : one.mayWrite(topic)).toBe(allowed);
  });

  test('an allowance of a user goes before a denial of a pattern, as in mosquitto', () => {
    const acl = 'user kitchen\ntopic read a/kitchen\npattern deny a/%u';
    expect(rules(acl, { user: 'kitchen' }).mayRead('a/kitchen')).toBe(true);
  });

  test('a rule that starts with a wildcard takes no topic that starts with $', () => {
    const one = rules('user kitchen\ntopic readwrite #', { user: 'kitchen' });
    expect([one.mayRead('a'), one.mayRead('$SYS/x'), one.mayWrite('$control/x')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a name or id that would reach elsewhere gets nothing from patterns', () => {
  const acl = 'pattern readwrite devices/%u/#\npattern readwrite ids/%c/#\npattern readwrite %c/x';
  test.each([
    ['+', 'c1'],
    ['#', 'c1'],
    ['a/b', 'c1'],
    ['', 'c1'],
    ['kitchen', '+'],
    ['kitchen', '#'],
    ['kitchen', 'a/b'],
    ['kitchen', '$SYS'],
    ['kitchen', 'a\u0000b'],
    ['kitchen', ''],
  ])('user "%s", client id "%s"', (user, clientId) => {
    const one = rules(acl, { user, clientId });
    for (const topic of [
      'devices/other/x',
      'devices/a/b',
      'ids/c1/x',
      'ids/a/b/x',
      '$SYS/x',
      'x',
    ]) {
      expect([topic, one.mayRead(topic), one.mayWrite(topic)]).toEqual([topic, false, false]);
    }
    expect(one.maySubscribe('#')).toBe(false);
  });

  test('a plain one gets its own place', () => {
    const one = rules(acl, { user: 'kitchen', clientId: 'c1' });
    expect(one.mayWrite('devices/kitchen/a')).toBe(true);
    expect(one.mayWrite('ids/c1/a')).toBe(true);
    expect(one.mayWrite('ids/c2/a')).toBe(false);
  });

  test('signs of a replacement text in a name stand for themselves', () => {
    const one = rules('pattern readwrite d/%u/x', { user: 'a$&b' });
    expect(one.mayWrite('d/a$&b/x')).toBe(true);
  });
});

describe('a subscription is granted where any of it may be read', () => {
  test.each<[string, boolean]>([
    ['#', true],
    ['kitchen/#', true],
    ['+/oven', true],
    ['kitchen/secret/#', false],
    ['kitchen/secret/a', false],
    ['kitchen/+/a', true],
    ['orders', false],
    ['cellar/#', false],
    ['$share/group/kitchen/#', true],
    ['$share/group/cellar/#', false],
    ['$SYS/#', false],
    ['devices/#', true],
    ['devices/cellar/#', false],
  ])('%s: %s', (filter, granted) => {
    expect(rules(ACL, { user: 'kitchen' }).maySubscribe(filter)).toBe(granted);
  });
});

describe('a list that is wrong names every line', () => {
  test.each<[string, string]>([
    ['topic readwrit a/#', '"readwrit" is none of read, write, readwrite and deny'],
    ['topic a b', '"a" is none of'],
    ['topic', 'needs a value'],
    ['user', 'needs a value'],
    ['usr kitchen', 'none of user, topic and pattern'],
    ['topic read a+', 'mixes a wildcard with text'],
    ['topic read #/a', 'only allowed as the last level'],
    ['pattern read a/b', 'a pattern has %u or %c'],
    ['topic read a/%u', 'use pattern'],
  ])('%s', (line, problem) => {
    expect(() => parseAcl(`topic read ok\n\n${line}\n`, 'my.acl')).toThrowError(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringMatching(new RegExp(`my\\.acl:3: .*${problem}`)),
      }),
    );
  });

  test('several together, the rest counted', () => {
    const text = Array.from({ length: 25 }, () => 'nonsense').join('\n');
    expect(() => parseAcl(text, 'my.acl')).toThrow(/my\.acl:20: .*\nand 5 more/);
  });

  test('one rule more than 10,000', () => {
    const line = 'topic read a\n';
    expect(parseAcl(line.repeat(10_000), 'acl').anonymous).toHaveLength(10_000);
    expect(() => parseAcl(line.repeat(10_001), 'acl')).toThrow(/at most 10000/);
  });
});
