import { LedgeError } from '../../std/error.ts';
import { filterProblem } from '../topics.ts';

/** A site's rules: some per user and device kind. */
const RULES_MAX = 10_000;
const FILE_BYTES_MAX = 1_048_576;
/** Problems told of one file: a file of another kind has one in every line. */
const PROBLEMS_MAX = 20;

/** What a rule says of the topics of its filter. */
export type Right = 'read' | 'write' | 'readwrite' | 'deny';

export interface AclRule {
  readonly right: Right;
  /** A filter; in a pattern with `%u` and `%c`, the client's user name and id. */
  readonly filter: string;
}

/** An access control list: who may read and write which topics. What no rule allows is denied. */
export interface Acl {
  /** Rules before the first `user` line: for clients without a user name. */
  readonly anonymous: readonly AclRule[];
  readonly users: ReadonlyMap<string, readonly AclRule[]>;
  /** For every client, each with its own name and id. */
  readonly patterns: readonly AclRule[];
}

const RIGHTS: ReadonlySet<string> = new Set(['read', 'write', 'readwrite', 'deny']);

/**
 * Parses an access control list in the vocabulary of mosquitto's `acl_file`: lines `user <name>`,
 * `topic [read|write|readwrite|deny] <filter>` and `pattern [...] <filter>`; `#` begins a comment line.
 * Fails with `config-invalid` that names every line that is wrong.
 */
export function parseAcl(text: string, file: string): Acl {
  if (text.length > FILE_BYTES_MAX) throw invalid(file, [`more than ${FILE_BYTES_MAX} bytes`]);
  const anonymous: AclRule[] = [];
  const users = new Map<string, AclRule[]>();
  const patterns: AclRule[] = [];
  const problems: string[] = [];
  let topics = anonymous;
  let rules = 0;
  for (const [at, whole] of text.split(/\r?\n/).entries()) {
    const line = whole.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    if (word === 'user' && rest !== '') {
      topics = users.get(rest) ?? [];
      users.set(rest, topics);
      continue;
    }
    const rule = word === 'topic' || word === 'pattern' ? parseRule(rest) : undefined;
    const problem =
      rule === undefined
        ? `"${word.slice(0, 20)}" needs a value, or is none of user, topic and pattern`
        : ruleProblem(word, rule);
    if (problem !== undefined) problems.push(`${file}:${at + 1}: ${problem}`);
    else if (rule !== undefined) (word === 'topic' ? topics : patterns).push(rule);
    rules += 1;
  }
  if (rules > RULES_MAX) problems.push(`${file}: ${rules} rules, at most ${RULES_MAX} are allowed`);
  if (problems.length > 0) throw invalid(file, problems);
  return { anonymous, users, patterns };
}

/** `read a/b`, or only `a/b` for both directions; a filter with spaces needs its right named. */
function parseRule(rest: string): AclRule | undefined {
  const [, first = '', filter = ''] = /^(\S+)\s*(.*)$/.exec(rest) ?? [];
  if (first === '') return undefined;
  if (filter === '') return { right: 'readwrite', filter: first };
  return { right: first as Right, filter };
}

function ruleProblem(word: string, { right, filter }: AclRule): string | undefined {
  if (!RIGHTS.has(right)) {
    return `"${right.slice(0, 20)}" is none of read, write, readwrite and deny`;
  }
  const problem = filterProblem(filter);
  if (problem !== undefined) return `filter "${filter.slice(0, 200)}": ${problem}`;
  const named = /%[uc]/.test(filter);
  if (word === 'pattern' && !named) return 'a pattern has %u or %c; without them use topic';
  if (word === 'topic' && named) return '%u and %c stand for themselves in a topic; use pattern';
  return undefined;
}

function invalid(file: string, problems: readonly string[]): LedgeError {
  const told = problems.slice(0, PROBLEMS_MAX);
  const rest = problems.length - told.length;
  const text = [...told, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n');
  return new LedgeError('config-invalid', `Cannot use the access control list ${file}:\n${text}`, {
    context: { file },
  });
}
