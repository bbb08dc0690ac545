import { randomUUID } from 'node:crypto';
import { LedgeError } from '../../std/error.ts';
import type { FlowReport } from '../flow-reports.ts';
import { createArbitration } from './arbitration.ts';
import type { Ear } from './ear.ts';
import type { NotMe } from './not-me.ts';
import type { VoiceConfig, VoiceParts } from './options.ts';
import { createSession, type Scored, type Session, type SessionEnd } from './session.ts';
import type { LastWake, Site } from './sites.ts';
import { samplesOf } from './sound-ring.ts';
import type { SessionName, SessionStart, Teller } from './teller.ts';

/** How loud a wake word was is measured in so much sound before it was found. */
const LOUDNESS_MS = 1_000;
/** What is kept of a wake, for whoever says that it was none. */
const WAKE_CLIP_MS = 2_000;

/** One clip on its way to the flow of commands. */
export interface Question {
  readonly device: string;
  /** Comes back with the answer. */
  readonly sessionId: string;
  readonly clip: Int16Array<ArrayBuffer>;
}

export interface ConductorOptions extends Pick<VoiceParts, 'clock' | 'log'> {
  readonly config: VoiceConfig;
  readonly notMe: Pick<NotMe, 'judge' | 'good'>;
  readonly teller: Teller;
  hasActivity(): boolean;
  ask(question: Question): void;
}

/** Opens, feeds and ends the sessions of all sites: at most one for each. */
export interface Conductor {
  /** A wake word was found in a device's sound, by an event of this time. */
  wake(
    site: Site,
    ear: Ear,
    found: { readonly best: Scored; readonly ts: number | undefined },
  ): void;
  sound(ear: Ear): void;
  activity(ear: Ear, active: boolean, ts: number | undefined): void;
  /** What became of a clip; without an id, of the device's last one. */
  answer(device: string, sessionId: string | undefined, outcome: FlowReport['outcome']): void;
  /** Opens a session without a wake word. Gives its id. Throws LedgeError unavailable. */
  listen(site: Site, ear: Ear, requestId: string | undefined): string;
  /** Gives the id of the session that it ended; undefined where there was none. */
  cancel(site: Site): string | undefined;
  isBusy(ear: Ear): boolean;
  /** Ends every session. */
  close(): void;
}

interface Live {
  readonly name: SessionName;
  readonly site: Site;
  readonly session: Session;
  readonly start: SessionStart;
  readonly loudness: number;
  readonly lastWake: LastWake | undefined;
}

/** Whether another microphone may still turn out to be louder. */
function isWaiting({ name, site }: Live): boolean {
  return site.open?.id !== name.sessionId;
}

/** A conductor with no session. */
export function createConductor(options: ConductorOptions): Conductor {
  const { config, clock, log, teller, notMe } = options;
  /** Those that were told of, and those of devices that may lose against a louder one. */
  const live = new Map<string, Live>();
  const arbitration = createArbitration<Live>({
    ...{ clock, windowMs: config.arbitrationMs },
    decided(winner, others) {
      for (const { name, site, session } of others) {
        log.info('Another microphone heard it louder', { ...name, answers: winner.name.device });
        hush(site);
        session.cancel();
      }
      grant(winner);
    },
  });

  function hush(site: Site): void {
    site.quietUntilMs = Math.max(site.quietUntilMs, clock.now() + config.refractoryMs);
  }

  function begin(
    site: Site,
    ear: Ear,
    of: { readonly from: number; readonly start: SessionStart; readonly ts: number },
  ): Live {
    const { from, start } = of;
    const sessionId = randomUUID();
    const { device, ring } = ear;
    const name: SessionName = { site: site.name, room: site.room, device, sessionId };
    const session = createSession({
      ...{ config, clock, ear, from, trigger: start.trigger },
      hasActivity: () => options.hasActivity(),
      ask: (clip) => options.ask({ device, sessionId, clip }),
      ended: (result) => ended(sessionId, result),
    });
    const clip = ring.slice(from - samplesOf(WAKE_CLIP_MS), from);
    const one: Live = {
      ...{ name, site, session, start },
      loudness: ring.loudness(from - samplesOf(LOUDNESS_MS), from),
      lastWake:
        start.trigger === 'wake'
          ? { sessionId, score: start.wake.score, ts: of.ts, clip }
          : undefined,
    };
    live.set(sessionId, one);
    return one;
  }

  function grant(one: Live): void {
    const { name, site, session, start } = one;
    if (session.phase === 'ended') return;
    // Said again: what was said since the first wake word is not what is meant.
    site.open?.session.cancel();
    site.open = { id: name.sessionId, session };
    if (one.lastWake !== undefined) site.lastWake = one.lastWake;
    hush(site);
    log.debug('A voice session begins', { ...name, trigger: start.trigger });
    teller.started(name, start);
    session.grant();
  }

  function ended(sessionId: string, result: SessionEnd): void {
    const one = live.get(sessionId);
    live.delete(sessionId);
    if (one === undefined || one.site.open?.id !== sessionId) return;
    const { site, name } = one;
    site.open = undefined;
    log.debug('A voice session ends', { ...name, ...result });
    if (result.kind === 'command' && one.lastWake !== undefined) {
      notMe.good(site.name, one.lastWake);
    }
    teller.ended(name, result);
  }

  const of = (ear: Ear) => [...live.values()].filter(({ session }) => session.ear === ear);

  function wake(
    site: Site,
    ear: Ear,
    { best, ts }: { readonly best: Scored; readonly ts: number | undefined },
  ): void {
    const fields = { site: site.name, device: ear.device, ...best };
    if (!site.enabled || clock.now() < site.quietUntilMs) return;
    if (site.open?.session.phase === 'asking' || of(ear).some(isWaiting)) return;
    const from = ear.ring.positionAt(ts);
    const clip = ear.ring.slice(from - samplesOf(WAKE_CLIP_MS), from);
    const refusal = notMe.judge(site.name, { score: best.score, clip });
    if (refusal !== undefined) {
      log.info('A wake word does not count at this site', { ...fields, refusal });
      return;
    }
    const start: SessionStart = { trigger: 'wake', wake: best };
    arbitration.enter(begin(site, ear, { from, start, ts: ts ?? clock.now() }));
  }

  return {
    wake,
    sound(ear) {
      for (const { session } of of(ear)) session.sound();
    },
    activity(ear, active, ts) {
      ear.speaking = active;
      const position = ear.ring.positionAt(ts);
      for (const { session } of of(ear)) session.activity(active, position);
    },
    answer(device, sessionId, outcome) {
      for (const { name, session } of [...live.values()]) {
        if (sessionId === undefined ? name.device === device : name.sessionId === sessionId) {
          session.answer(outcome);
        }
      }
    },
    listen(site, ear, requestId) {
      if (site.open !== undefined) {
        const text = `Cannot listen at "${site.name}": a session is open`;
        throw new LedgeError('unavailable', text, { retriable: true });
      }
      const start: SessionStart = { trigger: 'request', requestId };
      const one = begin(site, ear, { from: ear.ring.end, start, ts: clock.now() });
      grant(one);
      return one.name.sessionId;
    },
    cancel(site) {
      const id = site.open?.id;
      site.open?.session.cancel();
      return id;
    },
    isBusy: (ear) => of(ear).length > 0,
    close() {
      arbitration.close();
      for (const { session } of [...live.values()]) session.cancel();
    },
  };
}
