import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import type { Conductor } from './conductor.ts';
import type { Ear } from './ear.ts';
import type { NotMe } from './not-me.ts';
import type { RequestHandler } from './options.ts';
import type { Site, Sites } from './sites.ts';

const name = z.string().min(1).max(128);
const oneSite = z.object({ site: name });
const listenSchema = z.object({ site: name, requestId: z.string().max(256).optional() });
const setSchema = z.object({ site: name, enabled: z.boolean() });
const notMeSchema = z
  .object({ site: name.optional(), sessionId: name.optional() })
  .refine(
    ({ site, sessionId }) => site !== undefined || sessionId !== undefined,
    'site or sessionId',
  );

export interface RequestParts {
  readonly sites: Sites;
  readonly conductor: Conductor;
  readonly notMe: NotMe;
  /** The microphone of a site that was heard last; undefined where there is no room for one. */
  earOf(site: Site): Ear | undefined;
  /** Figures of the sound that came. */
  readonly sound: Readonly<Record<string, number>>;
}

/** What can be asked of voice sessions, by the name of the request. */
export function voiceRequests(parts: RequestParts): ReadonlyMap<string, RequestHandler> {
  const { sites, conductor, notMe } = parts;

  function siteOf(site: string): Site {
    const found = sites.named(site);
    if (found !== undefined) return found;
    const known = sites.list().map((one) => one.name);
    const text = `There is no site "${site}", only: ${known.join(', ') || 'none yet'}`;
    throw new LedgeError('not-found', text);
  }

  function describe(site: Site): object {
    const { room, devices, enabled, open } = site;
    return {
      ...{ site: site.name, room, devices, enabled, threshold: notMe.threshold(site.name) },
      ...notMe.counts(site.name),
      ...(open !== undefined && { session: { sessionId: open.id, phase: open.session.phase } }),
    };
  }

  async function refuse(payload: unknown): Promise<object> {
    const { site: asked, sessionId } = notMeSchema.parse(payload);
    const site =
      asked === undefined
        ? sites.list().find(({ lastWake }) => lastWake?.sessionId === sessionId)
        : siteOf(asked);
    const wake = site?.lastWake;
    if (
      site === undefined ||
      wake === undefined ||
      (sessionId ?? wake.sessionId) !== wake.sessionId
    ) {
      throw new LedgeError('not-found', 'There was no such wake, or a newer one came after it');
    }
    site.lastWake = undefined;
    if (site.open?.id === wake.sessionId) conductor.cancel(site);
    return { site: site.name, score: wake.score, ...(await notMe.refuse(site.name, wake)) };
  }

  return new Map<string, RequestHandler>([
    ['voice/list', () => ({ sites: sites.list().map(describe), sound: parts.sound })],
    [
      'voice/listen',
      (payload) => {
        const { site: asked, requestId } = listenSchema.parse(payload);
        const site = siteOf(asked);
        const ear = parts.earOf(site);
        if (ear === undefined) throw new LedgeError('overflow', 'Too many devices are heard');
        return { site: site.name, sessionId: conductor.listen(site, ear, requestId) };
      },
    ],
    [
      'voice/cancel',
      (payload) => {
        const site = siteOf(oneSite.parse(payload).site);
        const sessionId = conductor.cancel(site);
        return { site: site.name, ...(sessionId !== undefined && { sessionId }) };
      },
    ],
    [
      'voice/set',
      (payload) => {
        const { site: asked, enabled } = setSchema.parse(payload);
        const site = siteOf(asked);
        site.enabled = enabled;
        return { site: site.name, enabled };
      },
    ],
    ['voice/not-me', refuse],
    [
      'voice/relearn',
      async (payload) => {
        const site = siteOf(oneSite.parse(payload).site);
        return { site: site.name, forgotten: await notMe.forget(site.name) };
      },
    ],
  ]);
}
