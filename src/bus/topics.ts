import { LedgeError } from '../std/error.ts';

/** MQTT's own limit: a topic is a string of at most 65,535 bytes of UTF-8 [MQTT-1.5.4]. */
export const TOPIC_BYTES_MAX = 65_535;
/** Levels of a topic: routing cost grows with them, and no real topic tree comes near. */
export const TOPIC_LEVELS_MAX = 64;
/** A device id goes into file names, database keys and discovery topics: 128 is enough for each. */
export const DEVICE_ID_LENGTH_MAX = 128;

const DEVICE_SEGMENT = '{device}';

/** A source's topics: which filter to subscribe to, and which device a topic speaks of. */
export interface TopicPattern {
  readonly pattern: string;
  /** The MQTT filter: the device segment became `+`. */
  readonly filter: string;
  /** The device of a topic, or undefined where the topic is not of this pattern or the id is invalid. */
  deviceOf(topic: string): string | undefined;
  /** The topic of a device; undefined for a pattern with wildcards. Throws `value-invalid` on a bad id. */
  topicOf(device: string): string | undefined;
}

/** What is wrong with a topic to publish on, in words that follow its name; undefined: nothing. */
export function topicProblem(topic: string): string | undefined {
  const problem = textProblem(topic);
  if (problem !== undefined) return problem;
  if (topic.includes('+') || topic.includes('#')) return 'it has a wildcard; a topic has none';
  return undefined;
}

/** What is wrong with a filter to subscribe to, in words that follow its name; undefined: nothing. */
export function filterProblem(filter: string): string | undefined {
  const problem = textProblem(filter);
  if (problem !== undefined) return problem;
  const levels = filter.split('/');
  for (const [at, level] of levels.entries()) {
    if (level === '+') continue;
    if (level === '#') {
      // [MQTT-4.7.1-2]
      if (at < levels.length - 1) return '"#" is only allowed as the last level';
      continue;
    }
    // [MQTT-4.7.1-3]
    if (level.includes('+') || level.includes('#')) {
      return `level "${level}" mixes a wildcard with text; "+" and "#" fill a whole level`;
    }
  }
  return undefined;
}

/** What is wrong with a device id, in words that follow it; undefined: nothing. */
export function deviceProblem(device: string): string | undefined {
  if (device.length === 0) return 'it is empty';
  if (device.length > DEVICE_ID_LENGTH_MAX) {
    return `it has ${device.length} characters, at most ${DEVICE_ID_LENGTH_MAX} are allowed`;
  }
  if (hasControlCharacter(device)) return 'it has a control character';
  if (/[+#/]/.test(device)) return 'it has one of "/", "+" and "#", which structure a topic';
  return undefined;
}

/**
 * Compiles `ledge/in/voice/{device}`: exactly one `{device}` level, `+` and a trailing `#` elsewhere.
 * Throws LedgeError `value-invalid` that names the pattern and what is wrong with it.
 */
export function compileTopicPattern(pattern: string): TopicPattern {
  const levels = pattern.split('/');
  const at = levels.indexOf(DEVICE_SEGMENT);
  if (at === -1 || levels.indexOf(DEVICE_SEGMENT, at + 1) !== -1) {
    throw patternError(pattern, `it needs exactly one level "${DEVICE_SEGMENT}"`);
  }
  const stray = levels.find((level, index) => index !== at && /[{}]/.test(level));
  if (stray !== undefined) throw patternError(pattern, `level "${stray}" is no name`);
  const filter = levels.with(at, '+').join('/');
  const problem = filterProblem(filter);
  if (problem !== undefined) throw patternError(pattern, problem);
  const rest = levels.filter((_, index) => index !== at);
  const fixed = !rest.includes('+') && !rest.includes('#');
  const prefix = levels.slice(0, at).map((level) => `${level}/`);
  const suffix = levels.slice(at + 1).map((level) => `/${level}`);
  return {
    pattern,
    filter,
    deviceOf: fixed ? fixedMatcher(prefix.join(''), suffix.join('')) : levelMatcher(levels, at),
    topicOf(device) {
      if (!fixed) return undefined;
      const wrong = deviceProblem(device);
      if (wrong !== undefined) {
        const message = `Cannot name a topic of "${pattern}" for device "${device}": ${wrong}`;
        throw new LedgeError('value-invalid', message, { context: { pattern, device } });
      }
      return `${prefix.join('')}${device}${suffix.join('')}`;
    },
  };
}

/** Throws `value-invalid` unless the topic can be published on. */
export function checkTopic(topic: string): void {
  const problem = topicProblem(topic);
  if (problem === undefined) return;
  const message = `Cannot publish on topic "${shortened(topic)}": ${problem}`;
  throw new LedgeError('value-invalid', message, { context: { topic: shortened(topic) } });
}

/** Throws `value-invalid` unless the filter can be subscribed to. */
export function checkFilter(filter: string): void {
  const problem = filterProblem(filter);
  if (problem === undefined) return;
  const message = `Cannot subscribe to filter "${shortened(filter)}": ${problem}`;
  throw new LedgeError('value-invalid', message, { context: { filter: shortened(filter) } });
}

function fixedMatcher(prefix: string, suffix: string): (topic: string) => string | undefined {
  return (topic) => {
    if (!topic.startsWith(prefix) || !topic.endsWith(suffix)) return undefined;
    const end = topic.length - suffix.length;
    if (end <= prefix.length) return undefined;
    return validDevice(topic.slice(prefix.length, end));
  };
}

function levelMatcher(
  pattern: readonly string[],
  at: number,
): (topic: string) => string | undefined {
  const open = pattern.at(-1) === '#';
  const needed = open ? pattern.length - 1 : pattern.length;
  return (topic) => {
    const levels = topic.split('/');
    if (open ? levels.length < needed : levels.length !== needed) return undefined;
    for (let index = 0; index < needed; index += 1) {
      const wanted = pattern[index];
      if (index !== at && wanted !== '+' && wanted !== levels[index]) return undefined;
    }
    // [MQTT-4.7.2-1] A filter that starts with a wildcard takes no topic that starts with "$".
    if ((at === 0 || pattern[0] === '+') && topic.startsWith('$')) return undefined;
    return validDevice(levels[at] ?? '');
  };
}

function validDevice(device: string): string | undefined {
  return deviceProblem(device) === undefined ? device : undefined;
}

function textProblem(text: string): string | undefined {
  if (text.length === 0) return 'it is empty';
  // UTF-8 takes at most 3 bytes for a unit of UTF-16: short texts need no count.
  if (text.length * 3 > TOPIC_BYTES_MAX && Buffer.byteLength(text) > TOPIC_BYTES_MAX) {
    return `it has more than ${TOPIC_BYTES_MAX} bytes`;
  }
  if (hasControlCharacter(text)) return 'it has a control character';
  let levels = 1;
  for (let at = text.indexOf('/'); at !== -1; at = text.indexOf('/', at + 1)) levels += 1;
  if (levels > TOPIC_LEVELS_MAX) return `it has ${levels} levels, at most ${TOPIC_LEVELS_MAX} work`;
  return undefined;
}

function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

function patternError(pattern: string, problem: string): LedgeError {
  const message = `Cannot use topic pattern "${shortened(pattern)}": ${problem}`;
  return new LedgeError('value-invalid', message, { context: { pattern: shortened(pattern) } });
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}
