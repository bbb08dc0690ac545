import { writeFile } from 'node:fs/promises';
import {
  MICROPHONE_BYTES_PER_SECOND,
  MICROPHONE_RATE_HZ,
  type MicrophoneInput,
  openMicrophone,
  RECORDERS,
  type Recorder,
} from '../../devices/microphone.ts';
import { listMicrophoneInputs } from '../../devices/microphone-inputs.ts';
import { encodeWav } from '../../signal/wav.ts';
import { LedgeError } from '../../std/error.ts';
import { chooseAudioDriver } from '../audio-driver.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { formatTable } from '../table.ts';

const SECONDS_DEFAULT = 5;
/** Ten minutes are 19 MB in memory. */
const SECONDS_MAX = 600;
/** A recorder that gives nothing for so long will not begin. */
const SILENT_MS_MAX = 5_000;
/** One line of level, seconds. */
const LEVEL_SECONDS = 0.2;
const FULL_SCALE = 32_768;
/** Below one step of 16 bits: digital silence. */
const LEVEL_DB_MIN = -96;

/** `ledge mic`: what a microphone of this machine hears. */
export const mic: Command = {
  summary: 'List the inputs of this machine, show the level of one, or record it',
  usage: 'mic list|level|record [FILE] [--program NAME] [--input NAME] [--seconds N] [--json]',
  options: {
    program: { type: 'string' },
    input: { type: 'string' },
    seconds: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    program: `${RECORDERS.join(', ')}; default arecord`,
    input: "ALSA device, or pulse:NAME; default the system's own",
    seconds: `how long; default ${SECONDS_DEFAULT}, at most ${SECONDS_MAX}`,
    json: 'one JSON object a line',
  },
  examples: [
    'ledge mic list',
    'ledge mic level --input plughw:1,0',
    'ledge mic record kitchen.wav --seconds 10 --program sox --input pulse:room.monitor',
  ],
  async run(args, terminal) {
    chooseAudioDriver();
    const [action, file] = args.positionals;
    if (action === 'list') return list(args, terminal);
    const asked = askedOf(args);
    if (action === 'level' && asked !== undefined) return level(asked, terminal);
    if (action === 'record' && file !== undefined && asked !== undefined) {
      return save(file, asked, terminal);
    }
    terminal.stderr.write(`Usage: ledge ${mic.usage}\n`);
    return 2;
  },
};

interface Asked extends MicrophoneInput {
  readonly seconds: number;
  readonly json: boolean;
}

/** Undefined where an option does not fit. */
function askedOf({ values }: Arguments): Asked | undefined {
  const program = values.program ?? 'arecord';
  const seconds = Number(values.seconds ?? SECONDS_DEFAULT);
  const input = values.input === undefined ? undefined : String(values.input);
  if (!isRecorder(program) || !(seconds > 0 && seconds <= SECONDS_MAX)) return undefined;
  if (program === 'rec' && input !== undefined) return undefined;
  return { program, input, seconds, json: values.json === true };
}

function isRecorder(name: unknown): name is Recorder {
  return RECORDERS.some((recorder) => recorder === name);
}

async function list({ values }: Arguments, { stdout }: Terminal): Promise<number> {
  const inputs = await listMicrophoneInputs();
  if (values.json === true) {
    for (const input of inputs) stdout.write(`${JSON.stringify(input)}\n`);
  } else if (inputs.length === 0) {
    stdout.write('No input: neither arecord nor pactl names one. See ledge doctor.\n');
  } else {
    stdout.write(formatTable(inputs.map((input) => ({ ...input }))));
  }
  return inputs.length === 0 ? 1 : 0;
}

async function level(asked: Asked, { stdout, signal }: Terminal): Promise<number> {
  const pieceBytes = MICROPHONE_BYTES_PER_SECOND * LEVEL_SECONDS;
  let rest: Uint8Array = new Uint8Array(0);
  await listen(asked, signal, (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (; rest.byteLength >= pieceBytes; rest = rest.subarray(pieceBytes)) {
      const { rmsDb, peakDb } = levelOf(rest.subarray(0, pieceBytes));
      stdout.write(
        asked.json
          ? `${JSON.stringify({ rmsDbfs: rmsDb, peakDbfs: peakDb })}\n`
          : `${rmsDb.toFixed(1).padStart(6)} dBFS, peak ${peakDb.toFixed(1).padStart(6)} dBFS\n`,
      );
    }
  });
  return 0;
}

async function save(file: string, asked: Asked, { stdout, signal }: Terminal): Promise<number> {
  const chunks: Uint8Array[] = [];
  await listen(asked, signal, (bytes) => chunks.push(bytes));
  const samples = samplesOf(Buffer.concat(chunks));
  try {
    await writeFile(file, encodeWav(samples, MICROPHONE_RATE_HZ));
  } catch (cause) {
    const text = `Cannot write ${file}: ${(cause as Error).message}`;
    throw new LedgeError('data-unwritable', text, { cause, context: { file } });
  }
  const seconds = samples.length / MICROPHONE_RATE_HZ;
  stdout.write(
    asked.json
      ? `${JSON.stringify({ file, seconds })}\n`
      : `${file}: ${seconds.toFixed(2)} s at ${MICROPHONE_RATE_HZ} Hz\n`,
  );
  return 0;
}

/** Hands over exactly so many seconds of sound, fewer where the signal ends it. */
async function listen(
  asked: Asked,
  signal: AbortSignal,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  let left = Math.round(asked.seconds * MICROPHONE_RATE_HZ) * 2;
  const { promise, resolve, reject } = withResolvers();
  const silent = setTimeout(
    () => reject(`${asked.program} gives no sound for ${SILENT_MS_MAX} ms`),
    SILENT_MS_MAX,
  );
  const microphone = openMicrophone(asked, {
    sound(bytes) {
      silent.refresh();
      if (left > 0) take(bytes.subarray(0, Math.min(left, bytes.byteLength)));
      left -= bytes.byteLength;
      if (left <= 0) resolve();
    },
    ended: reject,
  });
  signal.addEventListener('abort', resolve, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(silent);
    signal.removeEventListener('abort', resolve);
    await microphone.close();
  }
}

function withResolvers() {
  let resolve: () => void = () => undefined;
  let reject: (reason: string) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = (reason) => no(new LedgeError('unavailable', `Cannot record: ${reason}`));
  });
  return { promise, resolve, reject };
}

function samplesOf(bytes: Buffer): Float32Array {
  const samples = new Float32Array(bytes.length / 2);
  for (let at = 0; at < samples.length; at++) samples[at] = bytes.readInt16LE(at * 2) / FULL_SCALE;
  return samples;
}

/** Decibels below full scale; a full-scale square wave is 0. */
function levelOf(bytes: Uint8Array): { rmsDb: number; peakDb: number } {
  const samples = samplesOf(Buffer.from(bytes));
  let squares = 0;
  let peak = 0;
  for (const sample of samples) {
    squares += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  const decibels = (level: number) => Math.max(LEVEL_DB_MIN, 20 * Math.log10(level));
  const round = (value: number) => Math.round(value * 10) / 10;
  const rms = Math.sqrt(squares / Math.max(1, samples.length));
  return { rmsDb: round(decibels(rms)), peakDb: round(decibels(peak)) };
}
