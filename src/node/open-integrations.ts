import type { Bus } from '../bus/bus.ts';
import { openHermes } from '../integrations/hermes/open-hermes.ts';
import { openWyoming } from '../integrations/wyoming/server.ts';
import type { Clock } from '../std/clock.ts';
import type { Teardown } from '../std/teardown.ts';
import type { NodeConfig } from './config.ts';
import type { Control } from './control.ts';
import type { Flows } from './flows.ts';
import type { Log } from './log.ts';
import { openNodeHomeAssistant } from './open-home-assistant.ts';
import { openNodeVoice } from './open-voice.ts';

/** What an integration is given of the node. */
export interface IntegrationParts {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly version: string;
  readonly flows: Flows;
  readonly control: Pick<Control, 'offer'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the hottest zone; undefined where the machine tells of none. */
  readCelsius(): Promise<number | undefined>;
  /** Closes them again, the last first, before the flows. */
  readonly teardown: Teardown;
}

/** Opens what speaks with other programs, each only where it is configured. */
export async function openIntegrations(config: NodeConfig, parts: IntegrationParts): Promise<void> {
  const { flows, teardown } = parts;
  await openNodeHomeAssistant(config, parts);
  await openNodeVoice(config, parts);
  if (config.wyoming !== undefined) {
    const flowOf = (name: string) => runningFlow(flows, name);
    const { intents = config.voice?.intents } = config.wyoming;
    const server = await openWyoming({ ...config.wyoming, intents }, { ...parts, flowOf });
    teardown.add('the Wyoming server', () => server[Symbol.asyncDispose]());
  }
  if (config.hermes !== undefined) {
    const hermes = await openHermes(config.hermes, {
      ...parts,
      intents: config.voice?.intents ?? config.wyoming?.intents ?? {},
      places: config.voice?.sites ?? {},
      microphones: config.microphones.map(({ device }) => device),
    });
    teardown.add('Hermes', () => hermes[Symbol.asyncDispose]());
  }
}

/** What the results of a flow that runs are called. */
function runningFlow(flows: Flows, name: string) {
  const runner = flows.runners().find(({ loaded }) => loaded.parts.name === name);
  return runner && { labels: runner.loaded.parts.output.labels };
}
