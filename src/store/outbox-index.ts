import type { OutboxClass } from './outbox-class.ts';

/** What memory knows of one message; its bytes are on disk. */
export interface Entry {
  readonly class: OutboxClass;
  /** Counts the messages of the class up, without a gap. */
  readonly seq: number;
  readonly lane: Lane;
  readonly bytes: number;
  /** Milliseconds of the node's running time. */
  readonly stampMs: number;
  /** Milliseconds since 1970, as the clock of that moment had it. */
  readonly ts: number;
  /** Running time at which its own expiry interval is over. */
  readonly expiresMs: number | undefined;
  /** Which time of being online it belongs to: an earlier one makes it backlog. */
  readonly epoch: number;
  state: 'storing' | 'waiting' | 'leased' | 'gone';
  line: Line | undefined;
  before: Entry | undefined;
  after: Entry | undefined;
}

/** The messages of one topic. */
export interface Lane {
  readonly topic: string;
  /** Messages in the index, those on their way included. */
  messages: number;
  /** Messages in the backlog: while there are some, later ones queue behind them. */
  late: number;
  /** The newest message that still waits. */
  newest: Entry | undefined;
}

/** Messages of one class in the order in which they go: a list that any of them can leave at once. */
export interface Line {
  readonly kind: 'backlog' | 'live';
  readonly first: Entry | undefined;
  push(entry: Entry): void;
  /** Puts one before all others. */
  unshift(entry: Entry): void;
  remove(entry: Entry): void;
}

/** Creates an empty line. */
export function createLine(kind: Line['kind']): Line {
  let first: Entry | undefined;
  let last: Entry | undefined;

  function enter(entry: Entry): void {
    entry.line = line;
    if (kind === 'backlog') entry.lane.late += 1;
  }

  const line: Line = {
    kind,
    get first() {
      return first;
    },
    push(entry) {
      entry.before = last;
      entry.after = undefined;
      if (last === undefined) first = entry;
      else last.after = entry;
      last = entry;
      enter(entry);
    },
    unshift(entry) {
      entry.before = undefined;
      entry.after = first;
      if (first === undefined) last = entry;
      else first.before = entry;
      first = entry;
      enter(entry);
    },
    remove(entry) {
      if (entry.line !== line) return;
      if (entry.before === undefined) first = entry.after;
      else entry.before.after = entry.after;
      if (entry.after === undefined) last = entry.before;
      else entry.after.before = entry.before;
      entry.line = undefined;
      entry.before = undefined;
      entry.after = undefined;
      if (kind === 'backlog') entry.lane.late -= 1;
    },
  };
  return line;
}

/** The index of one class. */
export interface ClassIndex {
  readonly backlog: Line;
  readonly live: Line;
  readonly messages: number;
  readonly bytes: number;
  readonly leased: ReadonlySet<Entry>;
  lane(topic: string): Lane;
  holds(topic: string): boolean;
  /** The newest message of a topic that still waits. */
  newest(topic: string): Entry | undefined;
  /** Adds an entry behind those of its topic. */
  add(entry: Entry, connection: 'online' | 'offline'): void;
  /** Takes an entry out of its line; it still counts. */
  lease(entry: Entry): void;
  /** Forgets an entry. */
  remove(entry: Entry): void;
  /** Everything is backlog now; what was leased comes first, in its order. */
  recall(leased: 'recall' | 'leave'): void;
}

/** Creates the index of one class. */
export function createClassIndex(): ClassIndex {
  const backlog = createLine('backlog');
  const live = createLine('live');
  const lanes = new Map<string, Lane>();
  const leased = new Set<Entry>();
  let messages = 0;
  let bytes = 0;

  function leave(entry: Entry): void {
    entry.line?.remove(entry);
    leased.delete(entry);
    if (entry.lane.newest === entry) entry.lane.newest = undefined;
  }

  return {
    backlog,
    live,
    leased,
    get messages() {
      return messages;
    },
    get bytes() {
      return bytes;
    },
    lane(topic) {
      const known = lanes.get(topic);
      if (known !== undefined) return known;
      const lane: Lane = { topic, messages: 0, late: 0, newest: undefined };
      lanes.set(topic, lane);
      return lane;
    },
    holds: (topic) => lanes.has(topic),
    newest: (topic) => lanes.get(topic)?.newest,
    add(entry, connection) {
      const { lane } = entry;
      const behind = connection === 'offline' || lane.late > 0;
      (behind ? backlog : live).push(entry);
      lane.newest = entry;
      lane.messages += 1;
      messages += 1;
      bytes += entry.bytes;
    },
    lease(entry) {
      leave(entry);
      entry.state = 'leased';
      leased.add(entry);
    },
    remove(entry) {
      if (entry.state === 'gone') return;
      leave(entry);
      entry.state = 'gone';
      messages -= 1;
      bytes -= entry.bytes;
      entry.lane.messages -= 1;
      if (entry.lane.messages === 0) lanes.delete(entry.lane.topic);
    },
    recall(how) {
      for (let entry = live.first; entry !== undefined; entry = live.first) {
        live.remove(entry);
        backlog.push(entry);
      }
      if (how === 'leave') return;
      const sent = [...leased].sort((left, right) => right.seq - left.seq);
      for (const entry of sent) {
        leased.delete(entry);
        entry.state = 'waiting';
        entry.lane.newest ??= entry;
        backlog.unshift(entry);
      }
    },
  };
}
