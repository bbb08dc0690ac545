import { generate, type Packet, parser } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import type { Load } from '../../scripts/bench/load.ts';
import { runLoad } from '../../scripts/bench/load.ts';
import { imageModel, keywordModel } from '../../scripts/bench/models.ts';
import {
  connectFrame,
  createPacketReader,
  parsePublish,
  publishHeader,
  subscribeFrame,
} from '../../scripts/bench/mqtt-frame.ts';
import { createRow, formatRows, skippedRow } from '../../scripts/bench/row.ts';
import { median, percentile } from '../../scripts/bench/statistics.ts';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { Message } from '../../src/bus/bus.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';

describe('statistics', () => {
  test.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
    [[], Number.NaN],
  ])('the median of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
    [0.001, 1],
  ])('the share %d of 1..100 does not exceed %d', (share, expected) => {
    const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(sorted, share)).toBe(expected);
  });
});

describe('a row', () => {
  test.each([
    ['ratio >=', 0.8, 90, 100, true],
    ['ratio >=', 0.95, 90, 100, false],
    ['ratio <=', 1, 100, 100, true],
    ['ledge <', 20, 20, undefined, false],
    ['ledge <=', 0, 0, undefined, true],
    ['difference <=', 1, 2, 0.5, false],
    ['difference <=', 1, 1.5, 0.5, true],
    ['ratio >=', 0, Number.NaN, 100, false],
  ] as const)('%s %d of %d against %s is met: %s', (judged, target, ledge, reference, met) => {
    const given = reference === undefined ? {} : { reference };
    const row = createRow({ name: 'row', unit: 'ms', ledge, judged, target, ...given });
    expect(row.met).toBe(met);
    expect(row.ratio).toBe(
      reference === undefined || Number.isNaN(ledge) ? null : ledge / reference,
    );
  });

  test('that only tells has no target, and a skipped one says why', () => {
    const told = createRow({ name: 'told', unit: 'ms', ledge: 4, reference: 2 });
    const skipped = skippedRow('skipped', 'ms', 'no broker');
    expect(told).toMatchObject({ ratio: 2, target: null, met: null, judged: 'told' });
    expect(skipped).toMatchObject({ ledge: null, ratio: null, met: null });
    expect(formatRows([told, skipped])).toMatch(/told .*\n.*SKIPPED: no broker/);
  });
});

describe('the frames', () => {
  test.each([4, 5] as const)('level %d is what a real parser reads', (protocol) => {
    const packets: Packet[] = [];
    const real = parser({ protocolVersion: protocol });
    real.on('packet', (packet) => packets.push(packet));
    const fields = { protocol, qos: 1, topic: 'bench/d7', payloadBytes: 300 } as const;
    const { bytes, packetIdAt } = publishHeader(fields);
    bytes.writeUInt16BE(513, packetIdAt);
    real.parse(connectFrame(protocol, 'one'));
    real.parse(subscribeFrame(protocol, ['a/+'], 1));
    real.parse(Buffer.concat([bytes, Buffer.alloc(300, 1)]));
    expect(packets).toMatchObject([
      { cmd: 'connect', clientId: 'one', protocolVersion: protocol },
      { cmd: 'subscribe', subscriptions: [{ topic: 'a/+', qos: 1 }] },
      { cmd: 'publish', topic: 'bench/d7', qos: 1, messageId: 513 },
    ]);
    expect((packets[2] as { payload: Buffer }).payload).toHaveLength(300);
  });

  test('a real result is read whatever its properties and wherever it is cut', () => {
    const correlationData = Buffer.of(0, 0, 3, 232);
    const userProperties = { one: 'a', two: 'b' };
    const properties = { contentType: 'application/json', userProperties, correlationData };
    const publish = { cmd: 'publish', topic: 'out/d5', payload: '{}', qos: 0 } as const;
    const whole = generate(
      { ...publish, dup: false, retain: false, properties },
      { protocolVersion: 5 },
    );
    for (let cut = 0; cut <= whole.length; cut += 1) {
      const seen: (number | undefined)[] = [];
      const read = createPacketReader((_type, flags, body) => {
        const { correlation, payloadAt } = parsePublish(5, flags, body);
        expect(body.toString('utf8', payloadAt)).toBe('{}');
        seen.push(correlation);
      });
      read(whole.subarray(0, cut));
      read(whole.subarray(cut));
      expect(seen).toEqual([1000]);
    }
  });
});

describe('the models', () => {
  test.each([
    ['keyword', keywordModel, 22_604, [-1, 490], [-1, 12]],
    ['image', imageModel, 3_487_818, [-1, 3, 224, 224], [-1, 1000]],
  ] as const)('%s is admitted and has the size it is said to have', async (...expected) => {
    const [, make, parameters, input, output] = expected;
    const { summary, problems } = await inspectBytes(make().file);
    expect(problems).toEqual([]);
    expect(summary?.parameters).toBeGreaterThanOrEqual(parameters);
    expect(summary?.inputs.map(({ shape }) => shape)).toEqual([input]);
    expect(summary?.outputs.map(({ shape }) => shape)).toEqual([output]);
    expect(Buffer.compare(make().file, make().file)).toBe(0);
  });
});

describe('the load generator', () => {
  const base = { qos: 0, publish: 'in/{device}', results: ['out/+'], payload: { floats: 8 } };
  const short = { ...base, warmupMs: 100, durationMs: 400 } as const;

  test.each([0, 1] as const)('closed loop at QoS %d gets back all that it sent', async (qos) => {
    await using bus = await openEcho(() => 'answer');
    const pace = { kind: 'closed', inFlight: 8 } as const;
    const load: Load = { ...short, qos, url: bus.address, protocol: 4, devices: 16, pace };
    const report = await runLoad(load, [process.pid]);
    expect(report.lost).toBe(0);
    expect(report.results).toBeGreaterThan(8);
    expect(Math.abs(report.sent - report.results)).toBeLessThanOrEqual(8);
    expect(report.latencyMs.p50).toBeGreaterThan(0);
    expect(report.latencyMs.p99).toBeGreaterThanOrEqual(report.latencyMs.p50 ?? Infinity);
  });

  test('open loop on MQTT 3.1.1 knows each event by its device', async () => {
    let count = 0;
    await using bus = await openEcho(() => {
      count += 1;
      return count % 10 === 0 ? 'lose' : 'answer';
    });
    const pace = { kind: 'open', perSecond: 200, drainMs: 2000 } as const;
    const sent = { ...short, url: bus.address, warmupMs: 0 } as const;
    const load: Load = { ...sent, qos: 0, protocol: 4, devices: 4, pace };
    const report = await runLoad(load, [process.pid]);
    expect(report).toMatchObject({ offered: 80, results: 72, lost: 8, declared: {} });
  });

  test.each([0, 1] as const)('open loop at QoS %d tells losses from drops', async (qos) => {
    let count = 0;
    await using bus = await openEcho(() => {
      count += 1;
      if (count % 20 === 0) return 'lose';
      return count % 10 === 0 ? 'drop' : 'answer';
    });
    const pace = { kind: 'open', perSecond: 200, drainMs: 300 } as const;
    const load: Load = {
      ...short,
      qos,
      warmupMs: 0,
      protocol: 5,
      devices: 4,
      ...{ pace },
      url: '',
    };
    const report = await runLoad({ ...load, url: bus.address }, [process.pid]);
    expect(report).toMatchObject({ offered: 80, sent: 80, results: 72, lost: 4, unsent: 0 });
    expect(report.declared).toEqual({ 'dropped: overflow': 4 });
  });
});

/** A system under test that answers, loses without a word, or says that it dropped. */
async function openEcho(decide: () => 'answer' | 'lose' | 'drop'): Promise<EmbeddedBus> {
  const bus = await openBroker({ port: 0 });
  const give = (topic: string, payload: string, { properties }: Message) =>
    bus.publish({
      topic,
      payload: Buffer.from(payload),
      qos: 0,
      retain: false,
      ...(properties && { properties }),
    });
  await bus.subscribe('in/+', { qos: 1 }, (delivery) => {
    const { message } = delivery;
    const decision = decide();
    if (decision === 'answer') void give(`out/${message.topic.slice(3)}`, '{}', message);
    if (decision === 'drop') void give('out/dropped', '{"reason":"overflow","count":1}', message);
    delivery.accept();
    delivery.settle();
  });
  return bus;
}
