import type { NodeProfile, Profile } from './profile.ts';

/** A part of the time: the model, a scope of names, or a node. */
export interface IciclePart {
  readonly label: string;
  readonly ms: number;
  /** The node, where it is one; smaller ones are together. */
  readonly node?: NodeProfile;
  readonly kind: 'model' | 'scope' | 'node' | 'small' | 'between';
  readonly children: readonly IciclePart[];
}

/** Narrower parts than this share of the whole cannot be seen: they are drawn together. */
const SHARE_MIN = 0.0015;
/** Deeper scopes are drawn as one: names of exporters nest ten deep. */
const DEPTH_MAX = 6;

/** The time of a model as a tree: by the scopes of its nodes' names, or by operator where those have none. */
export function icicleOf(profile: Profile): IciclePart {
  const { nodes, nodesMs, betweenMs } = profile;
  const ms = nodesMs + betweenMs;
  const scoped = nodes.filter(({ name }) => scopesOf(name).length > 0).length > nodes.length / 2;
  const root: Scope = { scopes: new Map(), parts: [] };
  for (const node of nodes) {
    const path = scoped ? scopesOf(node.name).slice(0, DEPTH_MAX) : [node.operator];
    place(root, path, node);
  }
  const small = ms * SHARE_MIN;
  const label = (node: NodeProfile) =>
    (scoped ? node.name.split('/').at(-1) : node.name) || node.operator;
  const children = [...partsOf(root, { small, label })];
  if (betweenMs > small) {
    children.push({ label: 'between nodes', ms: betweenMs, kind: 'between', children: [] });
  }
  return { label: profile.model, ms, kind: 'model', children };
}

interface Scope {
  readonly scopes: Map<string, Scope>;
  /** In order of first appearance. */
  readonly parts: (NodeProfile | string)[];
}

/** `/encoder/layers.0/MatMul` is in the scopes encoder and layers.0. */
function scopesOf(name: string): readonly string[] {
  return name
    .split('/')
    .filter((part) => part !== '')
    .slice(0, -1);
}

function place(scope: Scope, [first, ...rest]: readonly string[], node: NodeProfile): void {
  if (first === undefined) {
    scope.parts.push(node);
    return;
  }
  let inner = scope.scopes.get(first);
  if (inner === undefined) {
    inner = { scopes: new Map(), parts: [] };
    scope.scopes.set(first, inner);
    scope.parts.push(first);
  }
  place(inner, rest, node);
}

interface Drawing {
  /** Shorter times are drawn together. */
  readonly small: number;
  readonly label: (node: NodeProfile) => string;
}

function partsOf(scope: Scope, drawing: Drawing): readonly IciclePart[] {
  const { small, label } = drawing;
  const all = scope.parts.map((part): IciclePart => {
    if (typeof part === 'string') return scopePart(part, scope.scopes.get(part)!, drawing);
    return { label: label(part), ms: part.ms, node: part, kind: 'node', children: [] };
  });
  const large = all.filter(({ ms }) => ms >= small);
  const rest = all.length - large.length;
  const restMs = all.reduce((sum, { ms }) => sum + (ms < small ? ms : 0), 0);
  if (restMs < small) return large;
  return [...large, { label: `${rest} smaller`, ms: restMs, kind: 'small', children: [] }];
}

/** A scope with nothing but one other scope in it is one part with it. */
function scopePart(label: string, scope: Scope, drawing: Drawing): IciclePart {
  const ms = msOf(scope);
  const children = partsOf(scope, drawing);
  const [only] = children;
  if (children.length === 1 && only?.kind === 'scope') {
    return { ...only, label: `${label}/${only.label}`, ms };
  }
  return { label, ms, kind: 'scope', children };
}

function msOf({ scopes, parts }: Scope): number {
  let ms = 0;
  for (const part of parts) ms += typeof part === 'string' ? msOf(scopes.get(part)!) : part.ms;
  return ms;
}
