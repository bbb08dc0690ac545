import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A sound server that does not answer must not hold up a list. */
const ANSWER_MS_MAX = 5_000;
/** A list of a hundred cards. */
const ANSWER_BYTES_MAX = 1_048_576;

/** One place to record from. */
export interface MicrophoneInputName {
  /** What stands under `input` of a microphone. */
  readonly input: string;
  readonly from: 'alsa' | 'pulse';
  readonly description: string;
}

/** What ALSA and PulseAudio have to record from; empty where neither answers. */
export async function listMicrophoneInputs(): Promise<readonly MicrophoneInputName[]> {
  const [alsa, pulse] = await Promise.all([
    answerOf('arecord', ['-L']),
    answerOf('pactl', ['list', 'short', 'sources']),
  ]);
  return [...parseAlsaNames(alsa), ...parsePulseSources(pulse)];
}

/** Names of `arecord -L`: each at the start of a line, its description indented below. */
export function parseAlsaNames(text: string): MicrophoneInputName[] {
  const found: { input: string; from: 'alsa'; description: string }[] = [];
  for (const line of text.split('\n')) {
    const last = found.at(-1);
    if (line.trim() === '') continue;
    if (!/^\s/.test(line)) found.push({ input: line.trim(), from: 'alsa', description: '' });
    else if (last !== undefined) last.description = `${last.description} ${line.trim()}`.trim();
  }
  return found;
}

/** Rows of `pactl list short sources`: number, name, module, format, state, by tabs. */
export function parsePulseSources(text: string): MicrophoneInputName[] {
  return text.split('\n').flatMap((line) => {
    const [, name, , format = '', state = ''] = line.split('\t');
    if (name === undefined) return [];
    return { input: `pulse:${name}`, from: 'pulse' as const, description: `${format} ${state}` };
  });
}

async function answerOf(program: string, words: readonly string[]): Promise<string> {
  const limits = { timeout: ANSWER_MS_MAX, maxBuffer: ANSWER_BYTES_MAX };
  try {
    return (await promisify(execFile)(program, [...words], limits)).stdout;
  } catch {
    // Not installed, or no server runs: it has nothing to record from.
    return '';
  }
}
