import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deviceOfSiteId, siteIdOfDevice } from '../../../src/integrations/hermes/site-names.ts';
import { encodeWav } from '../../../src/signal/wav.ts';
import type { HermesPeer } from '../../harness/hermes.ts';
import { connectTest, type TestClient } from '../../harness/mqtt.ts';
import { type House, openHouse } from './house.ts';

let house: House;
let peer: HermesPeer;
let flow: TestClient;

async function open(config: object = {}): Promise<void> {
  house = await openHouse(config);
  peer = house.peer;
  flow = await connectTest(house.bus.address, ['ledge/in/voice/+']);
}

beforeEach(() => open());
afterEach(async () => {
  await flow[Symbol.asyncDispose]();
  await house[Symbol.asyncDispose]();
});

/** A WAV of any format, with chunks before its sound, as some satellites have them. */
function wavOf(
  data: Uint8Array,
  { rate, channels, bits }: { rate: number; channels: number; bits: number },
  before: Uint8Array = new Uint8Array(0),
): Buffer {
  const format = Buffer.alloc(24);
  format.write('fmt ');
  format.writeUInt32LE(16, 4);
  format.writeUInt16LE(1, 8);
  format.writeUInt16LE(channels, 10);
  format.writeUInt32LE(rate, 12);
  format.writeUInt32LE((rate * channels * bits) / 8, 16);
  format.writeUInt16LE((channels * bits) / 8, 20);
  format.writeUInt16LE(bits, 22);
  const head = Buffer.alloc(8);
  head.write('data');
  head.writeUInt32LE(data.byteLength, 4);
  const body = Buffer.concat([Buffer.from('WAVE'), before, format, head, data]);
  const riff = Buffer.alloc(8);
  riff.write('RIFF');
  riff.writeUInt32LE(body.byteLength, 4);
  return Buffer.concat([riff, body]);
}

const frame = (siteId: string, wav: Uint8Array) =>
  peer.send(`audioServer/${siteId}/audioFrame`, wav);

/** The sound of a device so far. */
async function soundOf(device: string, bytes: number): Promise<Buffer> {
  const of = () => flow.received.filter(({ topic }) => topic === `ledge/in/voice/${device}`);
  for (let count = 1; ; count++) {
    const sound = Buffer.concat(of().map(({ payload }) => payload));
    if (sound.byteLength >= bytes) return sound;
    await flow.count(count, ({ topic }) => topic === `ledge/in/voice/${device}`);
  }
}

const tone = (count: number, rate: number, from = 0): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, at) => 0.5 * Math.sin((2 * Math.PI * 440 * (at + from)) / rate),
  );

describe('frames of a satellite', () => {
  test('become the stream of a device, numbered, in chunks of 20 to 100 ms', async () => {
    const pcm = Buffer.from(encodeWav(tone(15_916, 16_000), 16_000).subarray(44));
    const list = Buffer.from('LIST\x05\x00\x00\x00abcde\x00'); // padded to an even size
    const sizes = [100, 2048, 256, 5000, 512, 8000];
    let at = 0;
    for (const samples of sizes) {
      const part = pcm.subarray(2 * at, 2 * (at + samples));
      await frame('kitchen', wavOf(part, { rate: 16_000, channels: 1, bits: 16 }, list));
      at += samples;
    }
    expect((await soundOf('kitchen', pcm.byteLength)).equals(pcm)).toBe(true);
    const lengths = flow.received.map(({ payload }) => payload.byteLength);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(640);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(3200);
    const seqs = flow.received.map(({ packet }) => packet.properties?.userProperties?.seq);
    const first = Number(seqs[0]);
    expect(seqs).toEqual(lengths.map((_, at) => String((first + at) % 2 ** 32)));
    expect(house.hermes.sites).toEqual([
      { siteId: 'kitchen', device: 'kitchen', frames: 6, malformed: 0 },
    ]);
  });

  test.each([
    { rate: 48_000, channels: 2, bits: 16 },
    { rate: 44_100, channels: 1, bits: 24 },
    { rate: 8_000, channels: 1, bits: 8 },
    { rate: 22_050, channels: 4, bits: 32 },
  ])(
    'of $rate Hz, $channels channels and $bits bits are one stream without seams',
    async (form) => {
      const { rate, channels, bits } = form;
      const each = Math.floor(rate / 10);
      for (let part = 0; part < 5; part++) {
        const bytes = Buffer.alloc((each * channels * bits) / 8);
        tone(each, rate, part * each).forEach((sample, at) => {
          for (let channel = 0; channel < channels; channel++) {
            const start = ((at * channels + channel) * bits) / 8;
            if (bits === 8) bytes.writeUInt8(Math.round(128 + sample * 127), start);
            else bytes.writeIntLE(Math.round(sample * 2 ** (bits - 1)), start, bits / 8);
          }
        });
        await frame('kitchen', wavOf(bytes, form));
      }
      const sound = await soundOf('kitchen', 14_000);
      const expected = tone(8000, 16_000);
      const tolerance = bits === 8 ? 0.02 : 0.005;
      let worst = 0;
      // The filter rises from silence: its first milliseconds are no tone yet.
      for (let at = 400; at < 7000; at++) {
        worst = Math.max(worst, Math.abs(sound.readInt16LE(2 * at) / 32_768 - expected[at]!));
      }
      expect(worst).toBeLessThan(tolerance);
    },
  );

  test('of many sites stay apart', async () => {
    for (let at = 0; at < 3; at++) {
      for (const value of [1, 2, 3]) {
        const pcm = Buffer.alloc(640, value);
        await frame(`sat-${value}`, wavOf(pcm, { rate: 16_000, channels: 1, bits: 16 }));
      }
    }
    for (const value of [1, 2, 3]) {
      expect((await soundOf(`sat-${value}`, 1920)).equals(Buffer.alloc(1920, value))).toBe(true);
    }
  });

  test("under the name of this node's microphone are not taken", async () => {
    const wav = wavOf(Buffer.alloc(640), { rate: 16_000, channels: 1, bits: 16 });
    await frame('desk', wav);
    await frame('kitchen', wav);
    await soundOf('kitchen', 640);
    expect(flow.received.map(({ topic }) => topic)).toEqual(['ledge/in/voice/kitchen']);
  });

  test('of a site over the limit are refused, once told, until another falls silent', async () => {
    await flow[Symbol.asyncDispose]();
    await house[Symbol.asyncDispose]();
    await open({ limits: { sitesMax: 1, siteIdleSeconds: 60 } });
    const wav = wavOf(Buffer.alloc(640), { rate: 16_000, channels: 1, bits: 16 });
    for (const site of ['a', 'b', 'b', 'c']) await frame(site, wav);
    expect(await peer.hear('error/audioServer')).toMatchObject({ siteId: 'b' });
    house.clock.advance(60_000);
    await frame('b', wav);
    await soundOf('b', 640);
    expect(house.hermes.sites.map(({ siteId }) => siteId)).toEqual(['b']);
    expect(peer.heard()).toEqual(['error/audioServer']);
  });
});

describe('bad frames', () => {
  const good = wavOf(Buffer.alloc(640), { rate: 16_000, channels: 1, bits: 16 });

  test.each([
    ['nothing', new Uint8Array(0)],
    ['text', Buffer.from('hello')],
    ['half a header', good.subarray(0, 30)],
    ['a compressed format', Buffer.from(good).fill(0x55, 20, 21)],
    [
      'a rate without a simple ratio',
      wavOf(Buffer.alloc(64), { rate: 44_099, channels: 1, bits: 16 }),
    ],
    ['more than a frame may have', Buffer.alloc(1_048_577)],
  ])('%s are counted and told once, and the next is heard', async (_, bad) => {
    await frame('kitchen', bad);
    await frame('kitchen', bad);
    await frame('kitchen', good);
    expect((await soundOf('kitchen', 640)).byteLength).toBe(640);
    expect(house.hermes.sites).toMatchObject([{ frames: 3, malformed: 2 }]);
    await peer.hear('error/audioServer');
    expect(peer.heard()).toEqual(['error/audioServer']);
    expect(house.log.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('cut in their sound are heard as far as they go, and counted', async () => {
    const cut = wavOf(Buffer.alloc(2000, 7), { rate: 16_000, channels: 1, bits: 16 });
    await frame('kitchen', cut.subarray(0, 44 + 1001));
    expect((await soundOf('kitchen', 1000)).equals(Buffer.alloc(1000, 7))).toBe(true);
    expect(house.hermes.sites).toMatchObject([{ frames: 1, malformed: 1 }]);
  });

  test('of any bytes never stop the next', async () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat({ max: good.byteLength - 1 }), fc.uint8Array({ minLength: 1, maxLength: 8 }))
        .map(([at, bytes]) => {
          const broken = Buffer.from(good);
          broken.set(bytes.subarray(0, good.byteLength - at), at);
          return broken;
        }),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        await frame('kitchen', bytes);
      }),
      { numRuns: 300 },
    );
    await frame('attic', good);
    expect((await soundOf('attic', 640)).byteLength).toBe(640);
  });
});

describe('device names', () => {
  const siteIds = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 16 });

  test.each([
    ['kitchen', 'kitchen'],
    ['living_room-2', 'living_room-2'],
    ['Küche', 'K_xc3_xbcche'],
    ['sat 1', 'sat_x201'],
    ['a_x41', 'a_x5fx41'],
    ['-left', 'x_x_-left'],
    ['wyoming-1', 'wyoming_x2d1'],
  ])('of %s is %s', (siteId, device) => {
    expect(deviceOfSiteId(siteId)).toBe(device);
    expect(siteIdOfDevice(device)).toBe(siteId);
  });

  test('fit a topic and lead back', () => {
    fc.assert(
      fc.property(fc.oneof(siteIds, fc.stringMatching(/^[x_5f-]{1,12}$/)), (siteId) => {
        const device = deviceOfSiteId(siteId);
        expect(device).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/);
        fc.pre(!device.includes('_x-'));
        expect(siteIdOfDevice(device)).toBe(siteId);
      }),
    );
  });

  test('of long siteIds differ where those do', () => {
    const long = (last: string) => deviceOfSiteId(`${'k'.repeat(200)}${last}`);
    expect(long('a')).toHaveLength(64);
    expect(long('a')).not.toBe(long('b'));
  });
});
