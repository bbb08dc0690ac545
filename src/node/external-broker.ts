import { readCertificates, readTlsFiles } from '../bus/access/tls.ts';
import type { ClientOptions } from '../bus/client-options.ts';
import { LedgeError } from '../std/error.ts';
import type { NodeConfig } from './config.ts';
import { readSecret } from './secret.ts';

/** How to prove oneself to an external broker, and how it does. */
export type BrokerProofs = Pick<ClientOptions, 'username' | 'password' | 'ca' | 'certificate'>;

/** The fields of the configuration that say so. */
export type ProofFields = Partial<
  Pick<
    NodeConfig['broker'],
    'username' | 'password' | 'passwordFile' | 'caFile' | 'certFile' | 'keyFile'
  >
>;

/** Reads password, authority and client certificate. Fails with `config-invalid`, without a secret. */
export async function readBrokerProofs(fields: ProofFields): Promise<BrokerProofs> {
  const { username, passwordFile, caFile, certFile, keyFile } = fields;
  const password = passwordFile === undefined ? fields.password : await readSecret(passwordFile);
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const message = 'Cannot use a client certificate: certFile and keyFile go together';
    throw new LedgeError('config-invalid', message, { context: { field: 'broker.certFile' } });
  }
  const certificate =
    certFile === undefined || keyFile === undefined
      ? undefined
      : await readTlsFiles({ certFile, keyFile });
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(caFile !== undefined && { ca: await readCertificates(caFile) }),
    ...(certificate !== undefined && {
      certificate: { cert: certificate.cert, key: certificate.key },
    }),
  };
}
