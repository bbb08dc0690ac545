import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { openReloading } from './reloading.ts';

/** Older versions are broken (RFC 8996). */
const TLS_VERSION_MIN = 'TLSv1.2';
/** Said this long before a certificate ends: time for a person to renew it. */
const EXPIRY_WARNING_MS = 14 * 24 * 60 * 60 * 1000;

/** Where certificate and key are, in PEM. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose client certificates are taken. */
  readonly caFile?: string | undefined;
}

/** What a server offers, and follows: Node's TLS and HTTPS servers. */
interface TlsServer {
  setSecureContext(options: SecureContextOptions): void;
}

/** Certificate and key of a server, read again when their files change. */
export interface TlsMaterial extends Disposable {
  readonly options: SecureContextOptions;
  /** Gives the server every later certificate; connections that are open keep theirs. */
  follow(server: TlsServer): void;
}

export interface TlsOptions extends TlsFiles {
  readonly clock: Clock;
  readonly reloadMs?: number | undefined;
  readonly tell: (problem: LedgeError) => void;
  readonly note?: ((text: string) => void) | undefined;
}

/**
 * Reads certificate, key and authorities. Fails with `config-invalid` that names the file, never what is
 * in it. A later set that cannot be used is told, and the one before stays.
 */
export async function openTls(options: TlsOptions): Promise<TlsMaterial> {
  const { certFile, keyFile, caFile, clock, reloadMs, tell, note } = options;
  const servers = new Set<TlsServer>();
  const load = async () => {
    const read = await readTlsFiles(options);
    const warning = expiryProblem(read.cert, certFile, clock.now());
    if (warning !== undefined) tell(warning);
    return read;
  };
  const files = await openReloading({
    paths: [certFile, keyFile, ...(caFile === undefined ? [] : [caFile])],
    load,
    onChange: (changed) => {
      for (const server of servers) server.setSecureContext(changed);
      note?.(`Read the certificate ${certFile} again`);
    },
    onProblem: tell,
    clock,
    ...(reloadMs === undefined ? {} : { everyMs: reloadMs }),
  });
  return {
    get options() {
      return files.value;
    },
    follow: (server) => void servers.add(server),
    [Symbol.dispose]: () => files.stop(),
  };
}

/** Certificate and key as TLS servers and clients take them. */
export type CertificateContext = SecureContextOptions & {
  readonly cert: string;
  readonly key: string;
};

/** Reads and tries the files of a TLS server or client: they parse, and the key fits. */
export async function readTlsFiles(files: TlsFiles): Promise<CertificateContext> {
  const { certFile, keyFile, caFile } = files;
  const cert = await readCertificates(certFile);
  const key = await readText(keyFile);
  const ca = caFile === undefined ? {} : { ca: await readCertificates(caFile) };
  const context = { cert, key, ...ca, minVersion: TLS_VERSION_MIN } as const;
  try {
    createSecureContext(context);
  } catch (error) {
    // The library's text names what is wrong, and no part of the key.
    const { message } = error as Error;
    throw invalid(keyFile, `it is no key of the certificate ${certFile} (${message})`);
  }
  return context;
}

/** Reads a file of one or more certificates in PEM. */
export async function readCertificates(path: string): Promise<string> {
  const text = await readText(path);
  try {
    new X509Certificate(text);
  } catch {
    throw invalid(path, 'it is no certificate in PEM');
  }
  return text;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalid(path, (error as Error).message);
  }
}

function expiryProblem(cert: string, file: string, now: number): LedgeError | undefined {
  const { validTo } = new X509Certificate(cert);
  if (Date.parse(validTo) - now > EXPIRY_WARNING_MS) return undefined;
  const message = `The certificate ${file} is valid until ${validTo}; renew it`;
  return new LedgeError('config-invalid', message, { context: { file } });
}

function invalid(file: string, problem: string): LedgeError {
  return new LedgeError('config-invalid', `Cannot use the TLS file ${file}: ${problem}`, {
    context: { file },
  });
}
