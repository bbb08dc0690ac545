import type { Bench } from './bench.ts';
import { startMosquitto } from './broker.ts';
import type { Protocol } from './mqtt-frame.ts';
import { type PeerName, type System, startPeer } from './system.ts';

/** The peers that are at hand, behind one mosquitto, and why the others are not. */
export interface PeerSet {
  readonly systems: readonly System[];
  readonly absent: readonly { readonly name: PeerName; readonly reason: string }[];
  stop(): Promise<void>;
}

export interface PeerChoice {
  readonly names: readonly PeerName[];
  readonly protocol: Protocol;
  readonly qos: 0 | 1;
}

/** Starts the named peers with the small model; one that is absent is told, never passed over. */
export async function startPeers(bench: Bench, choice: PeerChoice): Promise<PeerSet> {
  const { folder, models, nodered, trixie } = bench;
  const { names, ...fields } = choice;
  const broker = await startMosquitto(folder);
  if (broker === undefined) {
    const reason = 'mosquitto is not installed';
    for (const name of names) bench.say(`SKIPPED: ${name}: ${reason}`);
    const absent = names.map((name) => ({ name, reason }));
    return { systems: [], absent, stop: () => Promise.resolve() };
  }
  const systems: System[] = [];
  const absent: { name: PeerName; reason: string }[] = [];
  const stop = async (): Promise<void> => {
    for (const system of systems) await system.stop();
    await broker.program.stop();
  };
  const shared = { ...models.keyword, ...fields, broker, folder, nodered, trixie };
  try {
    for (const name of names) {
      const started = await startPeer(name, shared);
      if (typeof started === 'string') {
        bench.say(`SKIPPED: ${name}: ${started}`);
        absent.push({ name, reason: started });
      } else systems.push(started);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { systems, absent, stop };
}
