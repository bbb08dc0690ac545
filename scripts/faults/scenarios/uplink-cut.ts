import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import type { Random } from '../toolbox/random.ts';
import type { TcpProxy } from '../toolbox/tcp-proxy.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause } from '../toolbox/wait.ts';

const LIFE_MS = { low: 300, high: 1_200 };
const BAD_MS = { low: 300, high: 3_000 };
const DELAY_MS = { low: 20, high: 400 };

type Cut = (proxy: TcpProxy, random: Random) => void;

const CUTS: Readonly<Record<string, Cut>> = {
  dropped: (proxy) => proxy.drop(),
  truncated: (proxy) => proxy.truncate(),
  'half closed': (proxy) => proxy.halfClose(),
  delayed: (proxy, random) =>
    proxy.treat({ kind: 'delay', ms: random.between(DELAY_MS.low, DELAY_MS.high) }),
  silent: (proxy) => proxy.treat({ kind: 'silent' }),
  closed: (proxy) => proxy.treat({ kind: 'closed' }),
};

/** The way to the broker above drops, delays, truncates, half-closes and goes silent. */
export const uplinkCut: Scenario = {
  name: 'uplink-cut',
  summary: 'the way to the uplink broker drops, delays, truncates, half-closes, goes silent',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 6, long: 48 },
      each: 250,
      ratePerSecond: 200,
      async strike({ proxy, connected }, { random }, turn) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        const names = Object.keys(CUTS);
        const name = names[turn % names.length]!;
        CUTS[name]!(proxy, random);
        await pause(random.between(BAD_MS.low, BAD_MS.high));
        proxy.treat({ kind: 'pass' });
        await connected('up', 60_000);
        return name;
      },
    }),
};
