import { randomInt } from 'node:crypto';
import type { Bus, Message } from '../../bus/bus.ts';
import { toMono } from '../../signal/pcm.ts';
import {
  createResamplerCache,
  type ResamplerCache,
  type ResampleStream,
} from '../../signal/resampler-cache.ts';
import { encodeWav, parseWav, type Wav } from '../../signal/wav.ts';
import type { Clock } from '../../std/clock.ts';
import { LedgeError, toLedgeError } from '../../std/error.ts';
import { deviceOfSiteId } from './site-names.ts';

/** What every voice flow takes. */
const SAMPLE_RATE_HZ = 16_000;
const BYTES_PER_SECOND = 2 * SAMPLE_RATE_HZ;
/** One chunk of a stream: as the node's own microphones send it. */
const CHUNK_BYTES = BYTES_PER_SECOND / 10;
/** Less than 20 ms waits for more: each chunk is an event for every flow that listens. */
const CHUNK_BYTES_MIN = BYTES_PER_SECOND / 50;
/** A satellite sends some 100 ms at a time; this is seconds of the widest format. */
const FRAME_BYTES_MAX = 1_048_576;
/** The header of what `encodeWav` gives. */
const WAV_HEADER_BYTES = 44;
const SEQUENCE_COUNT = 2 ** 32;

/** What came of one siteId so far. */
export interface SiteCounts {
  readonly siteId: string;
  readonly device: string;
  readonly frames: number;
  /** Frames that are no WAV, or that end before their header says. */
  readonly malformed: number;
}

/** Takes `audioFrame` messages and gives their sound to the flows. */
export interface SiteAudio {
  /** Never rejects; resolves once the sound has its place. */
  take(siteId: string, frame: Uint8Array): Promise<void>;
  /** Sites that are heard now. */
  readonly sites: readonly SiteCounts[];
  close(): void;
}

export interface SiteAudioOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly sitesMax: number;
  readonly idleMs: number;
  /** Devices whose sound comes from this node itself. */
  readonly own: readonly string[];
  /** Called for the first bad frame of a site, and for the first site over the limit. */
  onProblem(siteId: string, problem: LedgeError): void;
  onForgotten(counts: SiteCounts): void;
}

interface Site {
  readonly siteId: string;
  readonly device: string;
  readonly stream: ResampleStream;
  waiting: Uint8Array;
  sequence: number;
  frames: number;
  malformed: number;
  heard: number;
}

/** Hears up to `sitesMax` sites; one that is silent for `idleMs` is forgotten. */
export function createSiteAudio(options: SiteAudioOptions): SiteAudio {
  const { bus, clock, sitesMax, idleMs } = options;
  const filters = createResamplerCache(SAMPLE_RATE_HZ);
  const own = new Set(options.own);
  const sites = new Map<string, Site>();
  let refused = false; // a site over the limit was told

  function forgetIdle(): void {
    for (const site of sites.values()) {
      if (clock.now() - site.heard < idleMs) continue;
      sites.delete(site.siteId);
      refused = false;
      options.onForgotten(countsOf(site));
    }
  }

  function siteOf(siteId: string): Site | undefined {
    const known = sites.get(siteId);
    if (known !== undefined) return known;
    if (sites.size >= sitesMax) forgetIdle();
    if (sites.size >= sitesMax) {
      if (!refused) {
        const text = `Cannot hear site "${siteId}": ${sitesMax} sites are heard already`;
        options.onProblem(siteId, new LedgeError('overflow', text, { context: { sitesMax } }));
      }
      refused = true;
      return undefined;
    }
    const site: Site = {
      ...{ siteId, device: deviceOfSiteId(siteId), stream: filters.openStream() },
      ...{ waiting: new Uint8Array(0), frames: 0, malformed: 0, heard: 0 },
      // Not from 0: whoever heard the site before must see that it counts afresh.
      sequence: randomInt(SEQUENCE_COUNT),
    };
    sites.set(siteId, site);
    return site;
  }

  function complain(site: Site, problem: LedgeError): void {
    site.malformed += 1;
    if (site.malformed === 1) options.onProblem(site.siteId, problem);
  }

  function soundOf(site: Site, frame: Uint8Array): Uint8Array {
    try {
      const wav = readFrame(frame);
      if (wav.missingBytes > 0) complain(site, cut(wav.missingBytes));
      return pcmOf(wav, site.stream, filters);
    } catch (error) {
      complain(site, toLedgeError(error));
      return new Uint8Array(0);
    }
  }

  async function take(siteId: string, frame: Uint8Array): Promise<void> {
    if (own.has(deviceOfSiteId(siteId))) return;
    const site = siteOf(siteId);
    if (site === undefined) return;
    site.heard = clock.now();
    site.frames += 1;
    const chunks = cutChunks(site, soundOf(site, frame));
    await Promise.allSettled(chunks.map((chunk) => bus.publish(messageOf(site, chunk))));
  }

  const stop = clock.every(idleMs, forgetIdle);
  return {
    take,
    get sites() {
      return [...sites.values()].map(countsOf);
    },
    close: stop,
  };
}

function countsOf({ siteId, device, frames, malformed }: Site): SiteCounts {
  return { siteId, device, frames, malformed };
}

function readFrame(frame: Uint8Array): Wav {
  if (frame.byteLength > FRAME_BYTES_MAX) {
    const text = `Cannot take a frame of ${frame.byteLength} bytes, at most ${FRAME_BYTES_MAX}`;
    throw new LedgeError('payload-too-large', text);
  }
  return parseWav(frame);
}

function cut(missingBytes: number): LedgeError {
  const text = `Cannot take the whole frame: ${missingBytes} bytes of its sound are missing`;
  return new LedgeError('payload-invalid', text);
}

/** The sound as s16le at 16 kHz, one channel. */
function pcmOf(wav: Wav, stream: ResampleStream, filters: ResamplerCache): Uint8Array {
  const { sampleRateHz, format, channels, data } = wav;
  const resampled = sampleRateHz !== SAMPLE_RATE_HZ;
  if (!resampled && format === 'int16' && channels === 1) return data;
  const filter = resampled ? filters.filterFrom(sampleRateHz) : undefined;
  if (resampled && filter === undefined) {
    const text = `Cannot take sound: a rate of ${sampleRateHz} has no simple ratio to 16000`;
    throw new LedgeError('unsupported', text);
  }
  const mono = toMono(data, { format, channels });
  const samples = filter === undefined ? mono : stream.push(mono, filter);
  return encodeWav(samples, SAMPLE_RATE_HZ).subarray(WAV_HEADER_BYTES);
}

/** Chunks of 20 to 100 ms; what is left waits for the next frame. */
function cutChunks(site: Site, sound: Uint8Array): Uint8Array[] {
  const all = Buffer.concat([site.waiting, sound]);
  const chunks: Uint8Array[] = [];
  let at = 0;
  while (all.byteLength - at >= CHUNK_BYTES_MIN) {
    const end = Math.min(all.byteLength, at + CHUNK_BYTES);
    chunks.push(all.subarray(at, end));
    at = end;
  }
  site.waiting = all.subarray(at);
  return chunks;
}

function messageOf(site: Site, payload: Uint8Array): Message {
  const seq = String(site.sequence);
  site.sequence = (site.sequence + 1) % SEQUENCE_COUNT;
  return {
    topic: `ledge/in/voice/${site.device}`,
    ...{ payload, qos: 0, retain: false, properties: { userProperties: { seq } } },
  };
}
