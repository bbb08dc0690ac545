import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './node.ts';
import { hasTool } from './tools.ts';

/** Programs without which no sound can be played into a recorder. */
export const hasPulse = ['pulseaudio', 'pactl', 'paplay'].map(hasTool).every(Boolean);

/** A sound server of the test's own with a silent room in it, and its environment. */
export interface Pulse extends AsyncDisposable {
  readonly environment: NodeJS.ProcessEnv;
  /** What a recorder is told: the room, as a PulseAudio source by name. */
  readonly input: string;
  /** Plays a WAV file into the room; resolves when it has been heard. */
  play(file: string): Promise<void>;
  /** Ends the server, as if the sound card were pulled out. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
}

/** Starts PulseAudio with one null sink, `room`. */
export async function startPulse(): Promise<Pulse> {
  const folder = await temporaryFolder();
  const runtime = join(folder, 'run');
  await mkdir(runtime, { mode: 0o700 });
  const alsa = join(folder, 'alsa.conf');
  await writeFile(alsa, ALSA_CONFIG);
  const socket = join(runtime, 'native');
  const environment = {
    ...process.env,
    HOME: folder,
    XDG_RUNTIME_DIR: runtime,
    PULSE_RUNTIME_PATH: runtime,
    PULSE_STATE_PATH: folder,
    PULSE_SERVER: `unix:${socket}`,
    ALSA_CONFIG_PATH: alsa,
  };
  let server: ReturnType<typeof spawn> | undefined;

  async function run(program: string, words: readonly string[]): Promise<number | null> {
    const child = spawn(program, words, { env: environment, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    return code as number | null;
  }

  async function plug(): Promise<void> {
    const { PULSE_SERVER: _, ...own } = environment;
    server = spawn(
      'pulseaudio',
      [
        ...['-n', '--system=no', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no'],
        ...['--disable-shm=yes', '--high-priority=no', '--realtime=no', '--log-level=error'],
        ...['-L', 'module-null-sink sink_name=room rate=16000 channels=1'],
        ...['-L', `module-native-protocol-unix auth-anonymous=1 socket=${socket}`],
      ],
      { env: own, stdio: 'ignore' },
    );
    const ended = once(server, 'exit').then(() => true);
    while ((await run('pactl', ['info'])) !== 0) {
      const gone = await Promise.race([ended, Promise.resolve(false)]);
      if (gone) throw new Error('pulseaudio ended as it started');
    }
  }

  async function unplug(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  await plug();
  return {
    environment,
    input: 'pulse:room.monitor',
    async play(file) {
      const code = await run('paplay', ['--device=room', file]);
      if (code !== 0) throw new Error(`paplay ended with ${code}`);
    },
    plug,
    unplug,
    async [Symbol.asyncDispose]() {
      await unplug();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const ALSA_CONFIG = `
pcm.pulse {
  @args [ DEVICE ]
  @args.DEVICE { type string default "" }
  type pulse
  device $DEVICE
}
ctl.pulse { type pulse }
pcm.!default { type pulse device "room.monitor" }
`;
