import { readSecret } from '../node/secret.ts';
import { LedgeError } from '../std/error.ts';
import type { Terminal } from './command.ts';

/** A password is a line. */
const INPUT_BYTES_MAX = 4096;
const ENTER = new Set(['\r', '\n', '\u0004']);
const INTERRUPT = '\u0003';
const ERASE = new Set(['\b', '\u007f']);

/**
 * Reads a new password: from a file, from what is piped in, or twice from a person without showing it.
 * Never from the command line, where every process on the machine could read it.
 */
export async function readNewPassword(file: unknown, terminal: Terminal): Promise<string> {
  if (typeof file === 'string') return checked(await readSecret(file));
  if (!process.stdin.isTTY) return checked(await readPiped());
  const first = await prompt('Password: ', terminal);
  const second = await prompt('Again: ', terminal);
  if (first !== second) {
    throw new LedgeError('value-invalid', 'The two passwords differ; nothing was changed');
  }
  return checked(first);
}

function checked(password: string): string {
  if (password !== '') return password;
  throw new LedgeError('value-invalid', 'The password is empty; nothing was changed');
}

async function readPiped(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > INPUT_BYTES_MAX) {
      throw new LedgeError('value-invalid', `A password has at most ${INPUT_BYTES_MAX} bytes`);
    }
    if (text.includes('\n')) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function prompt(question: string, terminal: Terminal): Promise<string> {
  const { stdin } = process;
  terminal.stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = () => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      terminal.stderr.write('\n');
    };
    const take = (keys: string) => {
      for (const key of keys) {
        if (key === INTERRUPT) {
          end();
          reject(new LedgeError('closed', 'Given up; nothing was changed'));
          return;
        }
        if (ENTER.has(key)) {
          end();
          resolve(typed);
          return;
        }
        typed = ERASE.has(key) ? typed.slice(0, -1) : typed + key;
      }
    };
    stdin.on('data', take);
  });
}
