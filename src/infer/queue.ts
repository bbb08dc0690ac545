import type { Priority } from '../std/priority.ts';
import type { Request } from './request.ts';

/** The requests that wait for one model, first by rank. */
export interface RequestQueue {
  readonly length: number;
  readonly rows: number;
  readonly bytes: number;
  /** The request that goes first. */
  peek(): Request | undefined;
  shift(): Request | undefined;
  push(request: Request): void;
  /** Puts a request that was under way back into its place. */
  putBack(request: Request): void;
  /** Empties the queue. */
  drain(): readonly Request[];
}

/** Freed slots at the front of an array are given back when there are this many. */
const COMPACT_AT = 256;

/** One line per priority: within a line the order of arrival is the order of ranks. */
export function createQueue(): RequestQueue {
  const lines: Readonly<Record<Priority, Line>> = {
    high: { items: [], head: 0 },
    normal: { items: [], head: 0 },
    low: { items: [], head: 0 },
  };
  let length = 0;
  let rows = 0;
  let bytes = 0;

  function count(request: Request, sign: 1 | -1): void {
    length += sign;
    rows += sign * request.rows;
    bytes += sign * request.bytes;
  }

  function first(): Line | undefined {
    let found: Line | undefined;
    let rank = Number.POSITIVE_INFINITY;
    for (const line of [lines.high, lines.normal, lines.low]) {
      const request = line.items[line.head];
      if (request === undefined || request.rank >= rank) continue;
      found = line;
      rank = request.rank;
    }
    return found;
  }

  function shift(): Request | undefined {
    const line = first();
    if (line === undefined) return undefined;
    const request = line.items[line.head]!;
    line.head += 1;
    if (line.head === line.items.length || line.head >= COMPACT_AT) {
      line.items.splice(0, line.head);
      line.head = 0;
    }
    count(request, -1);
    return request;
  }

  return {
    get length() {
      return length;
    },
    get rows() {
      return rows;
    },
    get bytes() {
      return bytes;
    },
    peek() {
      const line = first();
      return line?.items[line.head];
    },
    shift,
    push(request) {
      lines[request.priority].items.push(request);
      count(request, 1);
    },
    putBack(request) {
      const line = lines[request.priority];
      const place = line.items.findIndex(
        (one, index) => index >= line.head && one.rank > request.rank,
      );
      line.items.splice(place === -1 ? line.items.length : place, 0, request);
      count(request, 1);
    },
    drain() {
      const all: Request[] = [];
      for (let request = shift(); request !== undefined; request = shift()) all.push(request);
      return all;
    },
  };
}

interface Line {
  items: Request[];
  head: number;
}
