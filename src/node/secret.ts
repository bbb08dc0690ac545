import { readFile } from 'node:fs/promises';
import { LedgeError } from '../std/error.ts';

/** A password or token is a line. */
const SECRET_BYTES_MAX = 4096;

/** Reads a secret from the first line of a file; it never shows in the error. */
export async function readSecret(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new LedgeError('config-invalid', `Cannot read a secret: ${(error as Error).message}`);
  }
  if (text.length > SECRET_BYTES_MAX) {
    throw new LedgeError(
      'config-invalid',
      `${file} is too long for a secret: ${text.length} bytes`,
    );
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}
