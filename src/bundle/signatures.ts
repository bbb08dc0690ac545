import type { KeyObject } from 'node:crypto';
import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { isSignedBy, type PublicKey, parsePublicKey, publicKeyOf, signBytes } from './keys.ts';
import { SIGNATURES_BYTES_MAX, SIGNATURES_MAX } from './limits.ts';

const signaturesSchema = z.strictObject({
  signatures: z
    .array(
      z.strictObject({
        key: z.string().transform((text, context) => {
          const key = parsePublicKey(text);
          if (key === text) return key;
          context.addIssue({ code: 'custom', message: 'ed25519: and a key in base64' });
          return z.NEVER;
        }),
        signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/, '64 bytes in base64'),
      }),
    )
    .min(1)
    .max(SIGNATURES_MAX),
});

/** One signature over the bytes of bundle.json. */
export interface Signature {
  readonly key: PublicKey;
  readonly signature: string;
}

/** What the signatures of a bundle are worth to one who trusts some keys. */
export type Judgement =
  | { readonly kind: 'trusted'; readonly key: PublicKey }
  /** No keys are trusted, and every signature there is fits. */
  | { readonly kind: 'unchecked'; readonly signed: boolean };

/** The one text of signatures: in the order of the keys. */
export function encodeSignatures(signatures: readonly Signature[]): Uint8Array {
  const sorted = [...signatures].sort((a, b) => (a.key < b.key ? -1 : 1));
  const plain = sorted.map(({ key, signature }) => ({ key, signature }));
  return Buffer.from(`${JSON.stringify({ signatures: plain }, null, 1)}\n`);
}

/** Reads bundle.sig, exactly as `encodeSignatures` writes it. Throws LedgeError bundle-invalid. */
export function parseSignatures(bytes: Uint8Array): readonly Signature[] {
  if (bytes.length > SIGNATURES_BYTES_MAX) {
    throw invalid(`they have ${bytes.length} bytes, at most ${SIGNATURES_BYTES_MAX}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('latin1'));
  } catch (error) {
    throw invalid((error as Error).message);
  }
  const parsed = signaturesSchema.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues[0]?.message ?? 'they are none');
  const { signatures } = parsed.data;
  if (new Set(signatures.map(({ key }) => key)).size < signatures.length) {
    throw invalid('one key signed twice');
  }
  if (Buffer.compare(encodeSignatures(signatures), bytes) !== 0) {
    throw invalid('they are not written as ledge writes them');
  }
  return signatures;
}

/** Adds a key's signature over a manifest, or puts it in place of that key's last one. */
export function addSignature(
  manifest: Uint8Array,
  before: readonly Signature[],
  privateKey: KeyObject,
): readonly Signature[] {
  const key = publicKeyOf(privateKey);
  const others = before.filter((one) => one.key !== key);
  if (others.length >= SIGNATURES_MAX) throw invalid(`there are ${others.length} already`);
  return [...others, { key, signature: signBytes(manifest, privateKey) }];
}

/**
 * Judges the signatures over the bytes of a manifest. Throws LedgeError bundle-untrusted where keys are
 * trusted and none of them signed, and where a signature does not fit.
 */
export function judgeSignatures(
  manifest: Uint8Array,
  signatures: readonly Signature[],
  trust: readonly PublicKey[],
): Judgement {
  for (const { key, signature } of signatures) {
    if (!isSignedBy(manifest, signature, key)) {
      throw untrusted(`the signature of ${key} does not fit: the bundle was altered`);
    }
  }
  if (trust.length === 0) return { kind: 'unchecked', signed: signatures.length > 0 };
  const good = signatures.find(({ key }) => trust.includes(key));
  if (good !== undefined) return { kind: 'trusted', key: good.key };
  const by = signatures.map(({ key }) => key).join(', ');
  throw untrusted(by === '' ? 'it is not signed' : `it is signed by ${by}, none of them trusted`);
}

function invalid(state: string): LedgeError {
  return new LedgeError('bundle-invalid', `Cannot read the signatures of the bundle: ${state}`);
}

function untrusted(state: string): LedgeError {
  return new LedgeError('bundle-untrusted', `Cannot trust the bundle: ${state}`);
}
