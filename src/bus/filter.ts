/** Topics whose subscriptions are remembered: 8,192 devices answer without a walk through the tree. */
const CACHED_TOPICS_MAX = 8_192;

/** Longer topics are looked up each time: 8,192 of 64 KiB would be half a gigabyte. */
const CACHED_TOPIC_LENGTH_MAX = 256;

const SLASH = 0x2f;
const DOLLAR = 0x24;

/** Whether an MQTT filter takes a topic; a leading wildcard takes no topic that starts with `$`. */
export function matches(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1]
  const hidden = topic.charCodeAt(0) === DOLLAR;
  if (hidden && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  let inFilter = 0;
  let inTopic = 0;
  while (true) {
    const wanted = levelAt(filter, inFilter);
    if (wanted === '#') return true;
    const found = levelAt(topic, inTopic);
    if (wanted !== '+' && wanted !== found) return false;
    inFilter += wanted.length + 1;
    inTopic += found.length + 1;
    const filterEnds = inFilter > filter.length;
    if (inTopic > topic.length) {
      // "sport/#" takes "sport" as well [MQTT 4.7.1.2].
      return filterEnds || (filter.length - inFilter === 1 && filter.endsWith('#'));
    }
    if (filterEnds) return false;
  }
}

/** Finds the values of all filters that take a topic. Thousands of filters and topics are fine. */
export interface FilterIndex<Value> {
  /** Adds a value under a filter; returns how to take exactly that one out again. */
  add(filter: string, value: Value): () => void;
  /** The values whose filter takes the topic, each once per filter; do not keep or change the list. */
  match(topic: string): readonly Value[];
  readonly size: number;
}

interface Branch<Value> {
  readonly levels: Map<string, Branch<Value>>;
  any: Branch<Value> | undefined;
  readonly here: Entry<Value>[];
  readonly below: Entry<Value>[];
}

interface Entry<Value> {
  readonly value: Value;
  /** Counts up, so that matches come in the order of their subscriptions. */
  readonly order: number;
}

/** Creates an index: a tree of levels, with the answers for recent topics remembered. */
export function createFilterIndex<Value>(): FilterIndex<Value> {
  const root = branch<Value>();
  const cache = new Map<string, readonly Value[]>();
  let size = 0;
  let order = 0;
  return {
    get size() {
      return size;
    },
    add(filter, value) {
      const entry: Entry<Value> = { value, order };
      order += 1;
      place(root, filter, entry);
      size += 1;
      cache.clear();
      let present = true;
      return () => {
        if (!present) return;
        present = false;
        remove(root, filter, entry);
        size -= 1;
        cache.clear();
      };
    },
    match(topic) {
      const known = cache.get(topic);
      if (known !== undefined) return known;
      const found: Entry<Value>[] = [];
      collect(root, topic, 0, found);
      found.sort((left, right) => left.order - right.order);
      const values = found.map((entry) => entry.value);
      if (topic.length > CACHED_TOPIC_LENGTH_MAX) return values;
      if (cache.size >= CACHED_TOPICS_MAX) cache.clear();
      cache.set(topic, values);
      return values;
    },
  };
}

function branch<Value>(): Branch<Value> {
  return { levels: new Map(), any: undefined, here: [], below: [] };
}

function place<Value>(root: Branch<Value>, filter: string, entry: Entry<Value>): void {
  let at = root;
  for (const level of filter.split('/')) {
    if (level === '#') {
      at.below.push(entry);
      return;
    }
    let next = level === '+' ? at.any : at.levels.get(level);
    if (next === undefined) {
      next = branch();
      if (level === '+') at.any = next;
      else at.levels.set(level, next);
    }
    at = next;
  }
  at.here.push(entry);
}

function remove<Value>(root: Branch<Value>, filter: string, entry: Entry<Value>): void {
  const path: Array<{ parent: Branch<Value>; level: string }> = [];
  let at = root;
  let list: Entry<Value>[] | undefined;
  for (const level of filter.split('/')) {
    if (level === '#') {
      list = at.below;
      break;
    }
    const next = level === '+' ? at.any : at.levels.get(level);
    if (next === undefined) return;
    path.push({ parent: at, level });
    at = next;
  }
  list ??= at.here;
  const index = list.indexOf(entry);
  if (index !== -1) list.splice(index, 1);
  for (const { parent, level } of path.reverse()) {
    const child = level === '+' ? parent.any : parent.levels.get(level);
    if (child === undefined || !isEmpty(child)) return;
    if (level === '+') parent.any = undefined;
    else parent.levels.delete(level);
  }
}

function collect<Value>(
  at: Branch<Value>,
  topic: string,
  from: number,
  found: Entry<Value>[],
): void {
  // [MQTT-4.7.2-1]
  const hidden = from === 0 && topic.charCodeAt(0) === DOLLAR;
  if (!hidden && at.below.length > 0) found.push(...at.below);
  if (from > topic.length) {
    if (at.here.length > 0) found.push(...at.here);
    return;
  }
  const level = levelAt(topic, from);
  const next = from + level.length + 1;
  const named = at.levels.get(level);
  if (named !== undefined) collect(named, topic, next, found);
  if (!hidden && at.any !== undefined) collect(at.any, topic, next, found);
}

function isEmpty<Value>(at: Branch<Value>): boolean {
  return (
    at.here.length === 0 && at.below.length === 0 && at.levels.size === 0 && at.any === undefined
  );
}

function levelAt(text: string, from: number): string {
  let end = from;
  while (end < text.length && text.charCodeAt(end) !== SLASH) end += 1;
  return text.slice(from, end);
}
