import type { Duplex } from 'node:stream';
import type { Access, LoginAnswer } from './access.ts';
import type { BrokerLimits } from './limits.ts';
import type { Pace } from './pace.ts';
import type { Peer } from './peer.ts';
import type { Rules } from './rules.ts';
import type { SparseTeller } from './sparse-teller.ts';

/** A client of the broker's library, as far as access is decided by it. */
export interface DoorClient {
  readonly id: string | null;
  readonly conn: Duplex;
  readonly _will?: { readonly topic: string } | null | undefined;
  readonly _keepaliveTimer?: { refresh(): unknown } | null | undefined;
  disconnect(how: { readonly reasonCode: number }): void;
}

/** One connection, and who came in by it. */
export interface Visitor {
  readonly client: DoorClient;
  readonly peer: Peer;
  readonly pace: Pace;
  /** Filters it is subscribed to. */
  readonly filters: Set<string>;
  login: (LoginAnswer & { kind: 'in' }) | undefined;
  /** `all`: no list limits this client; undefined: not looked up since the list changed. */
  rules: Rules | 'all' | undefined;
}

/** What all connections of one broker share. */
export interface Hall {
  /** Left out: everyone may do everything. */
  readonly access: Access | undefined;
  readonly limits: BrokerLimits;
  readonly payloadBytesMax: number;
  readonly say: SparseTeller;
  /** Who is logged in, by client id. */
  readonly inside: Map<string, Visitor>;
}

/** What a visitor may do, as the list says now. */
export function rulesOfVisitor({ access }: Hall, visitor: Visitor): Rules | 'all' {
  visitor.rules ??= access?.rulesOf(visitor.login?.user, visitor.client.id ?? '') ?? 'all';
  return visitor.rules;
}

/** For people: what to call a client in a log line. */
export function clientName({ id }: DoorClient): string {
  return id === null ? 'a client' : `client "${shortened(id)}"`;
}

/** A topic or id, cut to what a log line can take. */
export function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}
