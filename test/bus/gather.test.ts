import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gatherWrites } from '../../src/bus/gather.ts';

/** A stream that notes what reaches it, with or without a way to write several chunks at once. */
function noting(way: 'one by one' | 'several'): { stream: Duplex; written: Buffer[] } {
  const written: Buffer[] = [];
  const several = {
    writev(chunks: Array<{ chunk: Buffer }>, done: () => void) {
      written.push(...chunks.map(({ chunk }) => chunk));
      done();
    },
  };
  const stream = new Duplex({
    decodeStrings: false,
    read() {},
    write(chunk: Buffer | string, _, done) {
      written.push(Buffer.from(chunk));
      done();
    },
    ...(way === 'several' ? several : {}),
  });
  return { stream: gatherWrites(stream), written };
}

test.each(['one by one', 'several'] as const)('joined chunks are the same bytes (%s)', (way) => {
  const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 50_000 }));
  const chunk = fc.oneof(
    fc.string(),
    fc.tuple(size, fc.nat(255)).map(([bytes, value]) => Buffer.alloc(bytes, value)),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
      const { stream, written } = noting(way);
      stream.cork();
      for (const part of chunks) stream.write(part);
      stream.uncork();
      const expected = Buffer.concat(chunks.map((part) => Buffer.from(part)));
      expect(Buffer.concat(written).equals(expected)).toBe(true);
    }),
  );
});

test('thousands of small chunks become few, and a large one is not copied', () => {
  const { stream, written } = noting('several');
  const large = Buffer.alloc(100_000, 2);
  stream.cork();
  for (let at = 0; at < 5_000; at += 1) stream.write(Buffer.alloc(20, 1));
  stream.write(large);
  stream.uncork();
  expect(written.map((piece) => piece.length)).toEqual([65_520, 34_480, 100_000]);
  expect(written[2]).toBe(large);
});
