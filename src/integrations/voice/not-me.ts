import { z } from '../../std/schema.ts';
import type { Clips } from './clips.ts';
import { fitThreshold } from './threshold.ts';

/** Scores that count, the newest of each kind: habits and rooms change. */
const FALSE_MAX = 32;
const GOOD_MAX = 64;

/** Where what was learned of each site lasts. */
export interface LearnedStore {
  get(site: string): Readonly<Record<string, unknown>> | undefined;
  set(site: string, state: Readonly<Record<string, unknown>>): void;
  delete(site: string): number;
  flush(): Promise<void>;
}

const score = z.number().min(0).max(1);
const learnedSchema = z.object({
  false: z.array(score).max(FALSE_MAX),
  good: z.array(score).max(GOOD_MAX),
});

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
  const of = (site: string) => {
    const parsed = learnedSchema.safeParse(store.get(site));
    return parsed.success ? parsed.data : { false: [], good: [] };
  };
  const thresholds = new Map<string, number>();

  function keep(site: string, scores: z.infer<typeof learnedSchema>): number {
    const threshold = fitThreshold(scores);
    thresholds.set(site, threshold);
    store.set(site, { ...scores });
    return threshold;
  }

  function threshold(site: string): number {
    const known = thresholds.get(site) ?? fitThreshold(of(site));
    thresholds.set(site, known);
    return known;
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
      const fitted = keep(site, {
        ...scores,
        false: [...scores.false, wake.score].slice(-FALSE_MAX),
      });
      const clip = await clips.save(site, wake.clip, wake.ts);
      await store.flush();
      return { threshold: fitted, clip };
    },
    async forget(site) {
      thresholds.delete(site);
      const gone = store.delete(site) > 0;
      await store.flush();
      return gone;
    },
    close: () => store.flush(),
  };
}
