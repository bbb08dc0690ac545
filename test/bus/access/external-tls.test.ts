import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient } from '../../../src/bus/client.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { type Authority, type Certificate, createAuthority } from '../../harness/certificates.ts';
import { createInbox } from '../../harness/inbox.ts';
import { type Mosquitto, startMosquitto } from '../../harness/mosquitto.ts';
import { hasTool } from '../../harness/tools.ts';

const skip = !hasTool('openssl') || !hasTool('mosquitto');

async function contents({ certFile, keyFile }: Certificate) {
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
}

describe.skipIf(skip)('a mosquitto with TLS (needs openssl and mosquitto)', () => {
  let authority: Authority;
  let stranger: Authority;
  let ca: string;
  let plain: Mosquitto;
  let strict: Mosquitto;

  beforeAll(async () => {
    authority = await createAuthority();
    stranger = await createAuthority();
    ca = await readFile(authority.caFile, 'utf8');
    const server = await authority.issue('broker');
    // Started by root it would become another user, who may not read a test's files.
    const tls = ['user root', `certfile ${server.certFile}`, `keyfile ${server.keyFile}`];
    plain = await startMosquitto({ config: tls });
    const certificates = [`cafile ${authority.caFile}`, 'require_certificate true'];
    strict = await startMosquitto({ config: [...tls, ...certificates] });
  });
  afterAll(() => Promise.all([plain, strict, authority, stranger].map((one) => one?.remove())));

  test.each([
    ['mqtts', () => `mqtts://127.0.0.1:${plain.port}`],
    ['mqtts by name', () => `mqtts://localhost:${plain.port}`],
  ])('is reached over %s with its own authority', async (_, url) => {
    await using bus = await openClient({ url: url(), ca });
    expect(bus.state).toBe('online');
    const inbox = createInbox();
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    await bus.publish({ topic: 'a', payload: Buffer.from('x'), qos: 1, retain: false });
    await inbox.count(1);
    expect(inbox.texts).toEqual(['x']);
  });

  test('is not spoken to where its authority is not trusted', async () => {
    const other = await readFile(stranger.caFile, 'utf8');
    for (const given of [{}, { ca: other }]) {
      const problems: LedgeError[] = [];
      const onProblem = (problem: LedgeError) => void problems.push(problem);
      const url = `mqtts://127.0.0.1:${plain.port}`;
      await using bus = await openClient({ url, ...given, onProblem });
      expect(bus.state).toBe('offline');
      expect(problems[0]?.message).toMatch(/CERT|SIGNATURE|ISSUER/i);
    }
  });

  test('that wants a client certificate takes ours, and no other', async () => {
    const url = `mqtts://127.0.0.1:${strict.port}`;
    const ours = await contents(await authority.issue('node'));
    const foreign = await contents(await stranger.issue('node'));
    await using good = await openClient({ url, ca, certificate: ours });
    expect(good.state).toBe('online');
    await using none = await openClient({ url, ca });
    expect(none.state).toBe('offline');
    await using bad = await openClient({ url, ca, certificate: foreign });
    expect(bad.state).toBe('offline');
  });
});
