import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  generateKeyPair,
  isSignedBy,
  loadTrust,
  parsePublicKey,
  publicKeyOf,
  readPrivateKey,
  signBytes,
} from '../../src/bundle/keys.ts';
import { temporaryFolder } from '../harness/node.ts';

let root: string;
beforeEach(async () => {
  root = await temporaryFolder();
});
afterEach(() => rm(root, { recursive: true }));

test('a signature fits its key and bytes only', async () => {
  const { privatePem, publicKey } = generateKeyPair();
  const file = join(root, 'key');
  await writeFile(file, privatePem);
  const privateKey = await readPrivateKey(file);
  expect(publicKeyOf(privateKey)).toBe(publicKey);
  const bytes = Buffer.from('the manifest');
  const signature = signBytes(bytes, privateKey);
  expect(isSignedBy(bytes, signature, publicKey)).toBe(true);
  expect(isSignedBy(Buffer.from('the Manifest'), signature, publicKey)).toBe(false);
  expect(isSignedBy(bytes, signature, generateKeyPair().publicKey)).toBe(false);
  expect(isSignedBy(bytes, `${signature}=`, publicKey)).toBe(false);
  expect(isSignedBy(bytes, '', publicKey)).toBe(false);
  expect(isSignedBy(bytes, signature, 'ed25519:AAAA')).toBe(false);
});

test('trusted keys are texts, files of texts, and PEM files', async () => {
  const [one, two, three] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
  const [text, pem] = [join(root, 'two.pub'), join(root, 'three.pem')];
  await writeFile(text, `${two.publicKey}\n`);
  const key = createPublicKey(three.privatePem);
  await writeFile(pem, key.export({ type: 'spki', format: 'pem' }));
  expect(await loadTrust([one.publicKey, text, pem, one.publicKey])).toEqual([
    one.publicKey,
    two.publicKey,
    three.publicKey,
  ]);
});

test.each([
  ['a text that is no key', 'ed25519:AAAA'],
  ['a key in another spelling', `${generateKeyPair().publicKey} x`],
  ['a file that is not there', 'missing.pub'],
])('%s is refused as trusted', async (_, given) => {
  await expect(loadTrust([given])).rejects.toMatchObject({ code: 'config-invalid' });
});

test('keys of other kinds are refused', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect(parsePublicKey(publicPem)).toBeUndefined();
  const file = join(root, 'rsa');
  await writeFile(file, rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await expect(readPrivateKey(file)).rejects.toMatchObject({ code: 'config-invalid' });
});

test('a file that is no key is not quoted in the error', async () => {
  const file = join(root, 'secret');
  await writeFile(file, 'hunter2-hunter2');
  for (const failed of [readPrivateKey(file), loadTrust([file])]) {
    const error = await failed.then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error?.message).toContain(file);
    expect(JSON.stringify([error?.message, error?.stack])).not.toContain('hunter2');
  }
});

test('an endless file is no key', async () => {
  await expect(loadTrust(['/dev/zero'])).rejects.toMatchObject({
    message: expect.stringContaining('too long'),
  });
});
