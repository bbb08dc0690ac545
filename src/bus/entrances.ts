import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Access } from './access/access.ts';
import type { Door } from './access/door.ts';
import { type Peer, peerOf } from './access/peer.ts';
import type { TlsMaterial } from './access/tls.ts';
import { listen, listenTls } from './listen.ts';

/** The TLS listener of the own broker, beside the plain one. */
export interface TlsEntrance {
  /** Default: the plain listener's. */
  readonly host?: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  readonly material: TlsMaterial;
  readonly clientCertificate: 'none' | 'optional' | 'required';
  /** `common-name`: the name in a client's certificate is its user name; no password is asked for. */
  readonly identity: 'none' | 'common-name';
}

export interface EntranceOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsEntrance | undefined;
  readonly access: Access | undefined;
  readonly handshakeTimeoutMs: number;
  readonly door: Door;
  readonly attach: (stream: Duplex, peer: Peer) => void;
}

/** Where clients connect, and how to take no more of them. */
export interface Entrances {
  readonly port: number;
  readonly address: string;
  /** mqtts://, where there is a TLS listener. */
  readonly tlsAddress: string | undefined;
  stop(): void;
}

/** Opens the plain listener and, if wanted, the one with TLS. Fails as `listen` does. */
export async function openEntrances(options: EntranceOptions): Promise<Entrances> {
  const { host, port, tls, door, attach, handshakeTimeoutMs } = options;
  const guarded = options.access?.guarded ?? false;
  const onSocket = (socket: Socket) => {
    const peer = peerOf(socket);
    if (door.enter(socket, peer)) attach(socket, peer);
    else socket.destroy();
  };
  const plain = await listen({ host, port, guarded, onSocket });
  const address = addressOf('mqtt', host, plain.port);
  if (tls === undefined) {
    return {
      port: plain.port,
      address,
      tlsAddress: undefined,
      stop: () => void plain.server.close(),
    };
  }
  const secure = await listenTls({
    ...tls,
    host: tls.host ?? host,
    guarded,
    handshakeTimeoutMs,
    enter: (socket) => door.enter(socket, peerOf(socket)),
    onSocket: (socket) => attach(socket, peerOf(socket, tls.identity)),
    onFailed: (socket, error) => door.failed(peerOf(socket), error.message),
  }).catch((error: unknown) => {
    plain.server.close();
    throw error;
  });
  return {
    port: plain.port,
    address,
    tlsAddress: addressOf('mqtts', tls.host ?? host, secure.port),
    stop() {
      plain.server.close();
      secure.server.close();
    },
  };
}

function addressOf(protocol: string, host: string, port: number): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
