import { matches } from '../filter.ts';
import type { Acl, AclRule } from './acl-file.ts';
import { covers, overlaps, withoutShare } from './filter-overlap.ts';

/** Answers remembered per client and direction: its topics, at some 100 bytes each. */
const REMEMBERED_MAX = 1_024;

/** What one client may do. */
export interface Rules {
  mayWrite(topic: string): boolean;
  mayRead(topic: string): boolean;
  /**
   * Whether the filter takes any topic that may be read. What else it takes is held back message by
   * message, so that `#` means "everything that I may read".
   */
  maySubscribe(filter: string): boolean;
}

/** Who a client is, as patterns see it. */
export interface Identity {
  readonly user: string | undefined;
  readonly clientId: string;
}

/**
 * The rules of one client, in mosquitto's order: its own denials, its own allowances, then the patterns'
 * denials and allowances; what none of them allows is denied.
 */
export function rulesOf(acl: Acl, identity: Identity): Rules {
  const { user } = identity;
  const own = user === undefined ? acl.anonymous : (acl.users.get(user) ?? []);
  const patterns = patternsOf(acl, identity);
  const ordered = [...deniesFirst(own), ...deniesFirst(patterns)];

  function decide(topic: string, direction: 'read' | 'write'): boolean {
    for (const { right, filter } of ordered) {
      if (right !== 'deny' && right !== 'readwrite' && right !== direction) continue;
      if (matches(filter, topic)) return right !== 'deny';
    }
    return false;
  }

  return {
    mayWrite: remembered((topic) => decide(topic, 'write')),
    mayRead: remembered((topic) => decide(topic, 'read')),
    maySubscribe(asked) {
      const filter = withoutShare(asked);
      for (const rule of ordered) {
        if (rule.right === 'write') continue;
        if (rule.right === 'deny' && covers(rule.filter, filter)) return false;
        if (rule.right !== 'deny' && overlaps(rule.filter, filter)) return true;
      }
      return false;
    },
  };
}

function deniesFirst(rules: readonly AclRule[]): AclRule[] {
  const denies = ({ right }: AclRule) => right === 'deny';
  return [...rules.filter(denies), ...rules.filter((rule) => !denies(rule))];
}

/**
 * The patterns with the client's own name and id. A name or id that has a separator or a wildcard in it
 * would reach into other places: such a client gets nothing from any pattern, allowance or denial, and
 * so is denied what no topic rule allows.
 */
function patternsOf({ patterns }: Acl, { user, clientId }: Identity): AclRule[] {
  if (!isPlain(clientId) || (user !== undefined && !isPlain(user))) return [];
  return patterns.flatMap(({ right, filter }) => {
    if (filter.includes('%u') && user === undefined) return [];
    const own = filter.replace(/%[uc]/g, (sign) => (sign === '%u' ? (user ?? '') : clientId));
    return [{ right, filter: own }];
  });
}

function isPlain(value: string): boolean {
  return value !== '' && !value.startsWith('$') && !/[+#/\p{Cc}]/u.test(value);
}

function remembered(decide: (topic: string) => boolean): (topic: string) => boolean {
  const known = new Map<string, boolean>();
  return (topic) => {
    const before = known.get(topic);
    if (before !== undefined) return before;
    const answer = decide(topic);
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(topic, answer);
    return answer;
  };
}
