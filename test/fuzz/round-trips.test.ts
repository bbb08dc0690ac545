import { resolve, sep } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entryPathProblem, pathSetProblem } from '../../src/bundle/entry-path.ts';
import { encodeHeader, parseHeader } from '../../src/bundle/ustar.ts';
import { createFilterIndex, matches } from '../../src/bus/filter.ts';
import { compileTopicPattern, filterProblem, topicProblem } from '../../src/bus/topics.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../../src/image/header.ts';
import { encodePng } from '../../src/image/png.ts';
import { loadConfig, loadConfigProblems } from '../../src/node/config-load.ts';
import { countVarints, int64Of, splitVarints, varint } from '../../src/onnx/wire.ts';
import { toMono } from '../../src/signal/pcm.ts';
import { encodeWav, parseWav } from '../../src/signal/wav.ts';
import { parseJson } from '../../src/stages/decode/json.ts';
import { readFlatMap } from '../../src/stages/decode/msgpack-reader.ts';
import { parseTimestamp } from '../../src/stages/decode/timestamp.ts';
import { decodeMsgpack, encodeMsgpack } from '../../src/std/msgpack.ts';
import { parseYaml } from '../../src/std/yaml.ts';
import { fromFloat16Bits, toFloat16Bits } from '../../src/tensor/float16.ts';

/** The same inputs at every run; the long job tries others. */
const RUNS = { seed: 20_261_122, numRuns: 500 };

function holds<Args extends [unknown, ...unknown[]]>(
  ...[property, runs = RUNS]: [
    fc.IPropertyWithHooks<Args> | fc.IAsyncPropertyWithHooks<Args>,
    object?,
  ]
): Promise<void> | void {
  return fc.assert(property as fc.IAsyncProperty<Args>, runs);
}

/** What a call gives, or that it throws. */
function outcome(call: () => unknown): unknown {
  try {
    return { value: call() };
  } catch {
    return 'throws';
  }
}

/** Without the one key that readers rename or leave out, so that no object inherits from a message. */
const json = fc
  .jsonValue({ maxDepth: 8 })
  .filter((value) => !JSON.stringify(value).includes('"__proto__"'));
const level = fc.constantFrom('a', 'b', '', '$x', 'sensor', '\u00e9');
const topic = fc.array(level, { minLength: 1, maxLength: 6 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'));

describe('JSON', () => {
  test('is read as JSON.parse reads it, or refused where that refuses', () => {
    const text = fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.constantFrom('1e999', '-0'));
    return holds(
      fc.property(text, (given) => {
        // Lone surrogates have no UTF-8: what arrives is what the text becomes on the wire.
        const sent = Buffer.from(given).toString('utf8');
        const bom = sent.startsWith('\ufeff') ? sent.slice(1) : sent;
        expect(outcome(() => parseJson(Buffer.from(sent)))).toEqual(outcome(() => JSON.parse(bom)));
      }),
    );
  });

  test('is YAML of the same value', () =>
    holds(
      fc.property(json, (value) => {
        const text = JSON.stringify(value);
        const parsed = parseYaml(text, 'any');
        expect(parsed.kind === 'ok' ? parsed.value.value : parsed).toEqual(JSON.parse(text));
      }),
    ));
});

describe('msgpack', () => {
  test('comes back as it went', () =>
    holds(
      fc.property(json, (value) => {
        expect(decodeMsgpack(encodeMsgpack(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    ));

  test('of a flat map is the same to both readers', () => {
    const scalar = fc.oneof(fc.double({ noNaN: true }), fc.boolean(), fc.string(), fc.integer());
    const flat = fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      scalar,
    );
    return holds(
      fc.property(flat, (record) => {
        const bytes = encodeMsgpack(record);
        expect(readFlatMap(bytes, 1000)).toEqual(decodeMsgpack(bytes));
      }),
    );
  });
});

describe('sound', () => {
  test('of 16 bits comes back within half a step', () => {
    const samples = fc.float32Array({
      min: -1,
      max: Math.fround(0.999),
      noNaN: true,
      maxLength: 99,
    });
    return holds(
      fc.property(samples, fc.integer({ min: 1, max: 768_000 }), (sent, rate) => {
        const file = parseWav(encodeWav(sent, rate));
        expect(file).toMatchObject({ sampleRateHz: rate, channels: 1, missingBytes: 0 });
        const heard = toMono(file.data, file);
        expect(heard.length).toBe(sent.length);
        for (const [at, sample] of heard.entries()) {
          expect(Math.abs(sample - sent[at]!)).toBeLessThanOrEqual(0.5001 / 32_768);
        }
      }),
    );
  });
});

describe('pictures', () => {
  const side = fc.integer({ min: 1, max: 9 });
  test('of PNG have their size by the header and their pixels by the decoder', () =>
    holds(
      fc.asyncProperty(
        side,
        side,
        fc.infiniteStream(fc.nat(255)),
        async (width, height, stream) => {
          const data = Uint8Array.from(stream.take(width * height * 3));
          const bytes = encodePng({ width, height, channels: 3, data });
          const header = readImageHeader(bytes, PIXELS_MAX_DEFAULT);
          expect(header).toEqual({ format: 'png', width, height });
          const decoded = await decodeImage(bytes, {
            ...{ width, height, fit: 'fill', kernel: 'nearest', flaws: 'refuse' },
            background: [0, 0, 0],
          });
          expect(Buffer.from(decoded).equals(data)).toBe(true);
        },
      ),
      { ...RUNS, numRuns: 60 },
    ));
});

describe('numbers', () => {
  test('of protobuf come back, one and many', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    return holds(
      fc.property(fc.array(int64, { maxLength: 20 }), (values) => {
        const packed = Buffer.concat(values.map(varint));
        expect(countVarints(packed)).toBe(values.length);
        expect(splitVarints(packed).map(int64Of)).toEqual(values);
      }),
    );
  });

  test('of half precision come back from every pattern of bits', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = fromFloat16Bits(bits);
      if (!Number.isNaN(value) && toFloat16Bits(value) !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test('of time come back from seconds, milliseconds and text', () => {
    const from = new Date('1974-01-01T00:00:00Z');
    const date = fc.date({ min: from, max: new Date('2100-01-01T00:00:00Z'), noInvalidDate: true });
    return holds(
      fc.property(date, (time) => {
        const ms = time.getTime();
        expect(parseTimestamp(ms, 'ts')).toBe(ms);
        expect(parseTimestamp(Math.floor(ms / 1000), 'ts')).toBe(Math.floor(ms / 1000) * 1000);
        expect(parseTimestamp(time.toISOString(), 'ts')).toBe(ms);
      }),
    );
  });
});

describe('topics', () => {
  /** The rule of the standard as a regular expression [MQTT 4.7]. */
  function expected(wanted: string, given: string): boolean {
    if (given.startsWith('$') && /^[+#]/.test(wanted)) return false;
    const source = wanted
      .split('/')
      .map((part) => (part === '+' ? '[^/]*' : part.replace(/[$^.*]/g, '\\$&')))
      .join('/')
      .replace(/(^|\/)#$/, (_, slash: string) => (slash === '' ? '.*' : '(/.*)?'));
    return new RegExp(`^${source}$`, 's').test(given);
  }

  test('are matched as the standard says', () =>
    holds(
      fc.property(filter, topic, (wanted, given) => {
        expect(matches(wanted, given)).toBe(expected(wanted, given));
      }),
      { ...RUNS, numRuns: 3000 },
    ));

  test('are found in an index as one by one, while filters come and go', () =>
    holds(
      fc.property(fc.array(filter), fc.array(filter), topic, (kept, gone, given) => {
        const index = createFilterIndex<string>();
        const removals = gone.map((wanted) => index.add(wanted, wanted));
        for (const wanted of kept) index.add(wanted, wanted);
        for (const remove of [...removals, ...removals]) remove();
        expect(index.size).toBe(kept.length);
        expect(index.match(given)).toEqual(kept.filter((wanted) => matches(wanted, given)));
      }),
    ));

  test('have a problem or are names and filters that work', () =>
    holds(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        if (filterProblem(text) === undefined && topicProblem(text) === undefined) {
          expect(matches(text, text)).toBe(true);
        }
        if (topicProblem(text) === undefined) expect(text).not.toMatch(/[+#\0]/);
      }),
    ));

  test('give back the device that they were made of', () => {
    const device = fc.string({ minLength: 1, maxLength: 128 });
    return holds(
      fc.property(
        device,
        fc.constantFrom('in/{device}', '{device}', 'a/{device}/b'),
        (id, form) => {
          const pattern = compileTopicPattern(form);
          const made = outcome(() => pattern.topicOf(id)) as { value: string } | 'throws';
          if (made === 'throws') return;
          expect(pattern.deviceOf(made.value)).toBe(id);
          // [MQTT-4.7.2-1] A wildcard at the beginning takes no `$` topic.
          const hidden = form.startsWith('{') && id.startsWith('$');
          if (!hidden) expect(matches(pattern.filter, made.value)).toBe(true);
        },
      ),
    );
  });
});

describe('bundles', () => {
  const path = fc.array(fc.constantFrom('a', 'B', '..', '.', '', 'x y', 'c:', '\\', '\0', 'con'), {
    minLength: 1,
    maxLength: 5,
  });

  test('have paths that stay in their folder on this system and on Windows, or are refused', () =>
    holds(
      fc.property(
        fc.oneof(
          path.map((parts) => parts.join('/')),
          fc.string(),
        ),
        (given) => {
          if (entryPathProblem(given) !== undefined) return;
          expect(resolve('/flows/x', given)).toBe(`/flows/x/${given}`);
          expect(given).not.toMatch(/[\\:*?"<>|]/);
          expect(resolve('/flows/x', given).startsWith(`/flows/x${sep}`)).toBe(true);
        },
      ),
      { ...RUNS, numRuns: 3000 },
    ));

  test('have path sets judged the same in any order', () =>
    holds(
      fc.property(fc.array(fc.constantFrom('a', 'A', 'a/b', 'a/B', 'A/c', 'd/e')), (paths) => {
        const forward = pathSetProblem(paths) === undefined;
        expect(pathSetProblem([...paths].reverse()) === undefined).toBe(forward);
      }),
    ));

  test('have headers that come back', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,100}$/);
    return holds(
      fc.property(name, fc.nat({ max: 2 ** 31 - 1 }), fc.boolean(), (file, size, inFiles) => {
        const header = { name: inFiles ? `files/${file}` : file, size };
        expect(parseHeader(encodeHeader(header))).toEqual(header);
      }),
    );
  });
});

test('a configuration is read or told as problems, whatever is set', () => {
  const key = fc.oneof(
    fc.constantFrom('broker.port', 'node', 'http', 'broker', '__proto__.x', 'a.b.c', 'trust'),
    fc.string(),
  );
  const set = fc.array(
    fc.tuple(key, fc.string()).map((pair) => pair.join('=')),
    { maxLength: 4 },
  );
  return holds(
    fc.asyncProperty(set, async (pairs) => {
      try {
        await loadConfig({ file: '/dev/null', environment: {}, set: pairs, options: [] });
      } catch (error) {
        expect(loadConfigProblems(error).length).toBeGreaterThan(0);
      }
      expect(({} as Record<string, unknown>).x).toBeUndefined();
    }),
  );
});
