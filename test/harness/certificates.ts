import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from './tools.ts';

/** A certificate and its key, as files in PEM. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of the test's own, with everything in a folder that goes with it. */
export interface Authority {
  readonly caFile: string;
  readonly folder: string;
  /** A certificate for this common name, good for localhost and 127.0.0.1. */
  issue(commonName: string, options?: { readonly days?: number }): Promise<Certificate>;
  remove(): Promise<void>;
}

/** Makes an authority with openssl, keys of a curve for speed. */
export async function createAuthority(): Promise<Authority> {
  const program = findTool('openssl');
  if (program === undefined) throw new Error('openssl is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'ledge-certificates-'));
  const openssl = (...words: string[]) => promisify(execFile)(program, words, { cwd: folder });
  const key = (file: string) =>
    openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', file);
  await key('ca.key');
  const subject = ['-subj', '/CN=test authority'];
  await openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-days',
    '30',
    ...subject,
    '-out',
    'ca.pem',
  );
  await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  let issued = 0;
  return {
    folder,
    caFile: join(folder, 'ca.pem'),
    async issue(commonName, { days = 30 } = {}) {
      issued += 1;
      const name = `issued-${issued}`;
      await key(`${name}.key`);
      const request = ['-key', `${name}.key`, '-subj', `/CN=${commonName}`, '-out', `${name}.csr`];
      await openssl('req', '-new', ...request);
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(issued)];
      const how = ['-days', String(days), '-extfile', 'names', '-out', `${name}.pem`];
      await openssl('x509', '-req', '-in', `${name}.csr`, ...by, ...how);
      return {
        certFile: join(folder, `${name}.pem`),
        keyFile: join(folder, `${name}.key`),
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
