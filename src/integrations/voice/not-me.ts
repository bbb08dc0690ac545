import { z } from '../../std/schema.ts';
import type { Clips } from './clips.ts';
import { fitThreshold } from './threshold.ts';

/** Scores that count, the newest of each kind: habits and rooms change. */
const FALSE_MAX = 32;
const GOOD_MAX = 64;

/** Sites that are remembered, the last to learn: whoever sends sound may name one. */
const SITES_MAX = 256;
/** Under which name all sites are kept. */
const KEY = 'sites';

/** Where what was learned lasts. */
export interface LearnedStore {
  get(name: string): Readonly<Record<string, unknown>> | undefined;
  set(name: string, state: Readonly<Record<string, unknown>>): void;
  flush(): Promise<void>;
}

const score = z.number().min(0).max(1);
const scoresSchema = z.object({
  false: z.array(score).max(FALSE_MAX),
  good: z.array(score).max(GOOD_MAX),
});
const learnedSchema = z.object({
  sites: z.array(z.tuple([z.string(), scoresSchema])).max(SITES_MAX),
});

type Scores = z.infer<typeof scoresSchema>;

/** One wake that somebody said was none. */
export interface FalseWake {
  readonly score: number;
  readonly ts: number;
  /** The sound up to the wake. */
  readonly clip: Int16Array;
}

/** What sites learned of their wakes. */
export interface NotMe {
  /** The score that a wake of this site must reach. */
  threshold(site: string): number;
  counts(site: string): { readonly falseWakes: number; readonly goodWakes: number };
  /** A wake led to a command. */
  good(site: string, score: number): void;
  /** Keeps the clip, and fits the threshold again. Gives both. */
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
  const sites = new Map<string, Scores>(parsed.success ? parsed.data.sites : []);
  const of = (site: string): Scores => sites.get(site) ?? { false: [], good: [] };
  const threshold = (site: string) => fitThreshold(of(site));

  function keep(site: string, scores: Scores): void {
    sites.delete(site);
    sites.set(site, scores);
    const [oldest] = sites.keys();
    if (sites.size > SITES_MAX && oldest !== undefined) sites.delete(oldest);
    store.set(KEY, { sites: [...sites] });
  }

  return {
    threshold,
    counts(site) {
      const scores = of(site);
      return { falseWakes: scores.false.length, goodWakes: scores.good.length };
    },
    good(site, value) {
      const scores = of(site);
      keep(site, { ...scores, good: [...scores.good, value].slice(-GOOD_MAX) });
      store.flush().catch(failed);
    },
    async refuse(site, wake) {
      const scores = of(site);
      keep(site, {
        ...scores,
        false: [...scores.false, wake.score].slice(-FALSE_MAX),
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
