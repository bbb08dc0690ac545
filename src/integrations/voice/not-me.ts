import { z } from '../../std/schema.ts';
import type { Clips } from './clips.ts';
import { fitThreshold } from './threshold.ts';
import { likeness, type WakePrint, wakePrint } from './wake-print.ts';

/** Scores that count, the newest of each kind: habits and rooms change. */
const FALSE_MAX = 32;
const GOOD_MAX = 64;
/** Of these also what they sounded like, 2 kB each: the sounds of one home are few. */
const PRINTS_MAX = 16;
/** The same jingle or cough again; two people's "computer" are less alike. */
const LIKENESS_MIN = 0.8;
/** Sites that are remembered, the last to learn: 4 MB, and whoever sends sound may name one. */
const SITES_MAX = 64;
/** Under which name all sites are kept. */
const KEY = 'sites';

/** Where what was learned lasts. */
export interface LearnedStore {
  get(name: string): Readonly<Record<string, unknown>> | undefined;
  set(name: string, state: Readonly<Record<string, unknown>>): void;
  flush(): Promise<void>;
}

const score = z.number().min(0).max(1);
const prints = z.array(z.base64().max(4096)).max(PRINTS_MAX);
const siteSchema = z.object({
  false: z.array(score).max(FALSE_MAX),
  good: z.array(score).max(GOOD_MAX),
  falsePrints: prints,
  goodPrints: prints,
});
const learnedSchema = z.object({
  sites: z.array(z.tuple([z.string(), siteSchema])).max(SITES_MAX),
});

type Learned = z.infer<typeof siteSchema>;

const NOTHING: Learned = { false: [], good: [], falsePrints: [], goodPrints: [] };

/** One wake: what its flow gave it, and the sound up to it. */
export interface Wake {
  readonly score: number;
  readonly clip: Int16Array;
}

/** One wake that somebody said was none. */
export interface FalseWake extends Wake {
  readonly ts: number;
}

/** Why a wake does not count. */
export type Refusal = 'below-threshold' | 'like-a-false-wake';

/** What sites learned of their wakes. */
export interface NotMe {
  /** The score that a wake of this site must reach. */
  threshold(site: string): number;
  /** Why a wake does not count at this site; undefined: it does. */
  judge(site: string, wake: Wake): Refusal | undefined;
  counts(site: string): { readonly falseWakes: number; readonly goodWakes: number };
  /** A wake led to a command. */
  good(site: string, wake: Wake): void;
  /** Keeps the clip, and learns from it. Gives the threshold and the clip's file. */
  refuse(
    site: string,
    wake: FalseWake,
  ): Promise<{ readonly threshold: number; readonly clip: string }>;
  /** Forgets what a site learned; the clips stay. */
  forget(site: string): Promise<boolean>;
  /** Resolves once all is written. */
  close(): Promise<void>;
}

/** What was learned before is in the store; what does not parse counts as nothing. */
export function createNotMe(
  store: LearnedStore,
  { clips, failed }: { readonly clips: Clips; failed(error: unknown): void },
): NotMe {
  const parsed = learnedSchema.safeParse(store.get(KEY));
  const sites = new Map<string, Learned>(parsed.success ? parsed.data.sites : []);
  const of = (site: string): Learned => sites.get(site) ?? NOTHING;
  const threshold = (site: string) => fitThreshold(of(site));

  function keep(site: string, learned: Learned): void {
    sites.delete(site);
    sites.set(site, learned);
    const [oldest] = sites.keys();
    if (sites.size > SITES_MAX && oldest !== undefined) sites.delete(oldest);
    store.set(KEY, { sites: [...sites] });
  }

  return {
    threshold,
    judge(site, { score: value, clip }) {
      if (value < threshold(site)) return 'below-threshold';
      const { falsePrints, goodPrints } = of(site);
      if (falsePrints.length === 0) return undefined;
      const print = wakePrint(clip);
      const wrong = nearest(print, falsePrints);
      const isOther = wrong < LIKENESS_MIN || nearest(print, goodPrints) >= wrong;
      return isOther ? undefined : 'like-a-false-wake';
    },
    counts(site) {
      const learned = of(site);
      return { falseWakes: learned.false.length, goodWakes: learned.good.length };
    },
    good(site, wake) {
      const before = of(site);
      keep(site, {
        ...before,
        good: [...before.good, wake.score].slice(-GOOD_MAX),
        goodPrints: [...before.goodPrints, printOf(wake)].slice(-PRINTS_MAX),
      });
      store.flush().catch(failed);
    },
    async refuse(site, wake) {
      const before = of(site);
      keep(site, {
        ...before,
        false: [...before.false, wake.score].slice(-FALSE_MAX),
        falsePrints: [...before.falsePrints, printOf(wake)].slice(-PRINTS_MAX),
      });
      const clip = await clips.save(site, wake.clip, wake.ts);
      await store.flush();
      return { threshold: threshold(site), clip };
    },
    async forget(site) {
      const gone = sites.delete(site);
      store.set(KEY, { sites: [...sites] });
      await store.flush();
      return gone;
    },
    close: () => store.flush(),
  };
}

function printOf({ clip }: Wake): string {
  return Buffer.from(wakePrint(clip).buffer).toString('base64');
}

/** How like the most like of kept prints it is. */
function nearest(print: WakePrint, kept: readonly string[]): number {
  const all = kept.map((text) => new Int8Array(Buffer.from(text, 'base64')));
  return Math.max(-1, ...all.map((one) => likeness(print, one)));
}
