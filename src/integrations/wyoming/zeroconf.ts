import type { EventEmitter } from 'node:events';
import { Bonjour } from 'bonjour-service';

/** What other machines find. */
export interface Announcement {
  readonly node: string;
  /** Where the server listens: IPv6 addresses are told only where it takes them. */
  readonly host: string;
  readonly port: number;
  onProblem(error: unknown): void;
}

/** Announces `_wyoming._tcp` on the local network until it is disposed. */
export function announce({ node, host, port, onProblem }: Announcement): AsyncDisposable {
  const bonjour = new Bonjour({}, onProblem);
  // The library leaves the errors of its socket without a listener: no network would end the process.
  const { mdns } = (bonjour as unknown as { server: { mdns: EventEmitter } }).server;
  mdns.on('error', onProblem);
  mdns.on('warning', onProblem);
  bonjour.publish({
    name: `Ledge ${node}`,
    type: 'wyoming',
    port,
    host: `ledge-${node}.local`,
    disableIPv6: !host.includes(':'),
    // The library's probe answers a clash by a line on the console; a node's name is unique already.
    probe: false,
  });
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => bonjour.unpublishAll(() => resolve()));
      await new Promise<void>((resolve) => bonjour.destroy(() => resolve()));
    },
  };
}
