import { expect, test } from 'vitest';
import type { Message } from '../../src/bus/bus.ts';
import { createOutbox, type Outbox } from '../../src/bus/outbox.ts';
import type { LedgeError } from '../../src/std/error.ts';

type Done = (error?: LedgeError) => void;

function message(payload: string, qos: 0 | 1 = 1): Message {
  return { topic: 'a', payload: Buffer.from(payload), qos, retain: false };
}

function outboxWith(bytesMax = 1_000): { outbox: Outbox; sent: string[]; done: Done[] } {
  const sent: string[] = [];
  const done: Done[] = [];
  const outbox = createOutbox({
    messagesMax: 20_000,
    bytesMax,
    send: ({ payload, qos }, finish) => {
      sent.push(Buffer.from(payload).toString());
      if (qos === 0) finish();
      else done.push(finish);
    },
  });
  return { outbox, sent, done };
}

test('an outbox sends in order, so many at a time', async () => {
  const { outbox, sent, done } = outboxWith();
  const pushed = ['1', '2', '3'].map((payload) => outbox.push(message(payload)));
  expect(sent).toEqual([]);
  outbox.open(2);
  expect([sent, outbox.inFlight]).toEqual([['1', '2'], 2]);
  done[0]?.();
  await pushed[0];
  expect(sent).toEqual(['1', '2', '3']);
  done[1]?.();
  done[2]?.();
  await Promise.all([...pushed, outbox.idle()]);
});

test('ten thousand messages that waited go out in one go', async () => {
  const { outbox, sent } = outboxWith(100_000);
  const pushed = Array.from({ length: 10_000 }, (_, at) => outbox.push(message(`${at}`, 0)));
  outbox.open(4);
  await Promise.all([...pushed, outbox.idle()]);
  expect(sent).toEqual(pushed.map((_, at) => `${at}`));
});

test('bytes in flight count towards the limit, and one message always fits an empty outbox', async () => {
  const { outbox, done } = outboxWith(10);
  outbox.open(1);
  const large = outbox.push(message('more than ten bytes'));
  await expect(outbox.push(message('x'))).rejects.toMatchObject({ code: 'overflow' });
  done[0]?.();
  await large;
  void outbox.push(message('x'));
  expect(outbox.inFlight).toBe(1);
});

test('a paused outbox keeps what it gets, and what is in flight stays there', () => {
  const { outbox, sent } = outboxWith();
  outbox.open(10);
  void outbox.push(message('1'));
  outbox.pause();
  void outbox.push(message('2'));
  expect([sent, outbox.inFlight]).toEqual([['1'], 1]);
  outbox.open(10);
  expect(sent).toEqual(['1', '2']);
});

test('closing fails everything that is not handed over', async () => {
  const { outbox } = outboxWith();
  outbox.open(1);
  const ends = Promise.allSettled([outbox.push(message('1')), outbox.push(message('2'))]);
  outbox.close();
  const late = outbox.push(message('3'));
  await expect(late).rejects.toMatchObject({ code: 'closed' });
  expect((await ends).map((end) => end.status === 'rejected' && end.reason.code)).toEqual([
    'closed',
    'closed',
  ]);
});
