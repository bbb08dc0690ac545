import type { Stage } from '../scenario.ts';
import type { Collector } from './collector.ts';
import { createMosquitto } from './mosquitto.ts';
import { createRig, type Rig, type RigOptions } from './rig.ts';

/** A node on a mosquitto that is not its own; publishers and collector are there as well. */
export interface ExternalRig {
  readonly rig: Rig;
  readonly port: number;
  readonly collector: Collector;
}

/** Starts mosquitto, the node and the collector. */
export async function openExternalRig(stage: Stage, options: RigOptions): Promise<ExternalRig> {
  const mosquitto = await createMosquitto({ folder: stage.folder });
  await mosquitto.start();
  stage.defer(() => mosquitto.wipe());
  const { port } = mosquitto;
  const url = `broker.url=mqtt://127.0.0.1:${port}`;
  const rig = await createRig(stage, { ...options, set: [...(options.set ?? []), url] });
  await rig.node.start();
  const collector = rig.collect({ port });
  await collector.ready(10_000);
  return { rig, port, collector };
}
