import { createHash } from 'node:crypto';

/** What a discovery topic speaks of: a node, or one sender of one of its flows. */
export interface Identity {
  readonly node: string;
  readonly flow?: string;
  readonly device?: string;
}

/** Who the discovery says it comes from: only topics of this origin are ever changed. */
export const ORIGIN = 'Ledge';

/** Home Assistant's ids are at most 255 characters long; a topic is easier to read when short. */
const NAME_LENGTH_MAX = 96;

/** The identifier of a device in Home Assistant's registry; `identityOf` reads it back. */
export function identifierOf({ node, flow, device }: Identity): string {
  return flow === undefined ? `ledge:${node}` : `ledge:${node}:${flow}:${device ?? ''}`;
}

/** Reads an identifier; undefined where it is none of ours. Names of nodes and flows have no colon. */
export function identityOf(identifier: string): Identity | undefined {
  const match = /^ledge:([\w-]+)(?::([\w-]+):(.+))?$/s.exec(identifier);
  const [, node, flow, device] = match ?? [];
  if (node === undefined) return undefined;
  return flow === undefined || device === undefined ? { node } : { node, flow, device };
}

/** A part of a topic and of unique ids, `[a-z0-9_-]`: readable, and one for each identity. */
export function objectIdOf(identity: Identity): string {
  const identifier = identifierOf(identity);
  const { node, flow, device } = identity;
  const name = ['ledge', node, ...(flow === undefined ? [] : [flow, device ?? ''])].join('_');
  const hash = createHash('sha256').update(identifier).digest('hex').slice(0, 8);
  return `${slug(name).slice(0, NAME_LENGTH_MAX)}_${hash}`;
}

/** Lower case letters, digits and _, as in ids of entities. */
export function slug(text: string): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, '_');
  return plain.replace(/^_+|_+$/g, '') || 'x';
}
