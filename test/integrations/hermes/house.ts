import { openBroker } from '../../../src/bus/broker.ts';
import type { Bus } from '../../../src/bus/bus.ts';
import { type Hermes, openHermes } from '../../../src/integrations/hermes/open-hermes.ts';
import { hermesSchema } from '../../../src/node/config-hermes.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import {
  connectHermes,
  connectVoice,
  type HermesPeer,
  type VoicePeer,
} from '../../harness/hermes.ts';

/** What commands mean in these tests. */
export const INTENTS = {
  on: { intent: 'HassTurnOn', slots: { area: '{room}', name: 'light' } },
  off: { intent: 'HassTurnOff', slots: { area: '{site}' } },
  yes: { intent: 'Confirm', slots: {} },
  stop: { slots: {}, publish: { topic: 'saw/set', payload: 'off' } },
  go: { intent: 'no/#', slots: {} },
};

/** Sites of the node. */
const PLACES = {
  kitchen: { devices: ['kitchen', 'sat_x201'], room: 'Kitchen' },
  'Living Room': { devices: ['desk', 'sofa'] },
};

/** A broker with Hermes on it, a skill (or satellite) and the voice sessions of the node. */
export interface House extends AsyncDisposable {
  readonly bus: Bus;
  readonly clock: HandClock;
  readonly hermes: Hermes;
  readonly peer: HermesPeer;
  readonly voice: VoicePeer;
  readonly log: readonly { level: string; message: string; fields: object }[];
}

/** Opens all of it; `config` is the field `hermes`. Without a bus it is the node's own broker. */
export async function openHouse(config: object = {}, given?: Bus): Promise<House> {
  const bus = given ?? (await openBroker({ port: 0 }));
  const clock = createHandClock();
  const log: { level: string; message: string; fields: object }[] = [];
  const line =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void log.push({ level, message, fields });
  const hermes = await openHermes(hermesSchema.parse(config), {
    ...{ bus, clock, base: 'ledge/test', intents: INTENTS, microphones: ['desk'], places: PLACES },
    log: { debug: line('debug'), info: line('info'), warn: line('warn') },
  });
  const peer = await connectHermes(bus.address);
  const voice = await connectVoice(bus.address, 'ledge/test');
  return {
    ...{ bus, clock, hermes, peer, voice, log },
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]();
      await voice[Symbol.asyncDispose]();
      await hermes[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
}
