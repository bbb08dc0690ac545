import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRandom } from './random.ts';
import { BLOCK, type Finding, SAMPLE_BLOCKS } from './target.ts';
import { TARGETS } from './targets.ts';

// Tries a range of inputs of one target, and tells its parent how far it is.

/** An input of a run, so that each can be made again alone. */
const STRIDE = 0x9e3779b1;
const FINDINGS_MAX = 20;
const BASE64_MAX = 4000;

/** What a child tells. */
export type ChildMessage =
  | { readonly kind: 'block'; readonly next: number; readonly memoryBytes: number }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'end'; readonly slowest: { readonly ms: number; readonly input: number } };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const [name = '', seed = '1', from = '0', to = '0'] = process.argv.slice(2);
await run(name, Number(seed), { from: Number(from), to: Number(to) });

async function run(
  target: string,
  base: number,
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  const open = TARGETS.get(target);
  if (open === undefined) throw new TypeError(`no target ${target}`);
  const { input, check } = await open();
  const slowest = { ms: 0, input: 0 };
  let findings = 0;
  for (let index = range.from; index < range.to; index += 1) {
    const bytes = input(createRandom((base + Math.imul(index, STRIDE)) | 0));
    const startMs = performance.now();
    try {
      await check(bytes);
    } catch (error) {
      findings += 1;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const base64 = Buffer.from(bytes).toString('base64').slice(0, BASE64_MAX);
      if (findings <= FINDINGS_MAX) {
        send({ kind: 'finding', finding: { kind: 'error', input: index, message, base64 } });
      }
    }
    const ms = performance.now() - startMs;
    if (ms > slowest.ms) Object.assign(slowest, { ms, input: index });
    if ((index + 1) % BLOCK === 0) {
      send({ kind: 'block', next: index + 1, memoryBytes: memoryBytes(index + 1) });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  send({ kind: 'end', slowest });
  process.disconnect?.();
}

/** What is held; behind a collection of garbage each time the parent takes a sample. */
function memoryBytes(done: number): number {
  if (done % (BLOCK * SAMPLE_BLOCKS) === 0) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function send(message: ChildMessage): void {
  process.send?.(message);
}
