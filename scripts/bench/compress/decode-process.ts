import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CacheShape } from '../../compress/decoder.ts';

/** What a decoding process is started with. */
export interface DecodeSettings {
  readonly file: string;
  readonly cache: CacheShape;
  readonly threads: number;
  readonly vocabulary: number;
}

/** What it is asked, a line of JSON each. */
export type DecodeRequest =
  | { readonly kind: 'decode'; readonly tokens: number }
  | { readonly kind: 'logits'; readonly tokens: readonly number[]; readonly file: string };

export interface DecodeAnswer {
  /** Of the tokens asked for. */
  readonly ms: number;
  /** Above the bare runtime. */
  readonly residentBytes: number;
  /** Told by programs that make their model themselves. */
  readonly fileBytes?: number;
  readonly version?: string;
}

/** A model that decodes in a process of its own, whatever runs it. */
export interface DecodeProcess {
  /** What it said when it was ready. */
  readonly ready: DecodeAnswer;
  /** Goes on with so many tokens. */
  decode(tokens: number): Promise<DecodeAnswer>;
  /** Logits after each of these tokens, [tokens, vocabulary]. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  stop(): void;
}

const CHILD = fileURLToPath(new URL('decode-child.ts', import.meta.url));

/** Starts a model in onnxruntime-node. Logits come through a file of `folder`. */
export function startDecoding(settings: DecodeSettings, folder: string): Promise<DecodeProcess> {
  const args = ['--import', 'tsx', CHILD, JSON.stringify(settings)];
  return startDecodeProgram([process.execPath, ...args], folder);
}

/** Starts any program that answers decode requests on its standard streams. */
export async function startDecodeProgram(
  [command = '', ...args]: readonly string[],
  folder: string,
): Promise<DecodeProcess> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told = (told + chunk.toString()).slice(-2000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextAnswer = async (): Promise<DecodeAnswer> => {
    const line = await lines.next();
    if (line.done) throw new Error(`${command} ended: ${told.trim().split('\n').at(-1)}`);
    return JSON.parse(line.value) as DecodeAnswer;
  };
  const ask = (request: DecodeRequest): Promise<DecodeAnswer> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return nextAnswer();
  };
  const ready = await nextAnswer();
  return {
    ready,
    decode: (tokens) => ask({ kind: 'decode', tokens }),
    async logits(tokens) {
      const file = join(folder, `logits-${child.pid}.bin`);
      await ask({ kind: 'logits', tokens, file });
      const bytes = readFileSync(file);
      return new Float32Array(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      );
    },
    stop: () => child.stdin.end(),
  };
}
