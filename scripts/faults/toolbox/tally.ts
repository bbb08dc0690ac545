/** Every published id against what arrived: what a scenario is judged by. */
export interface Tally {
  /** Ids that were sent at least once. */
  readonly sent: number;
  /** Ids whose publisher got its acknowledgement. */
  readonly published: number;
  /** Different ids that arrived as results. */
  readonly arrived: number;
  /** Arrivals of an id that had arrived before. */
  readonly duplicates: number;
  /** First arrivals behind a later id of the same device. */
  readonly disordered: number;
  /** Arrivals of ids that nobody sent, or with another device's topic. */
  readonly foreign: number;
  /** Different ids that arrived as dead letters. */
  readonly deadLettered: number;
  /** Ids named as dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Acknowledged ids that are neither a result nor a dead letter. */
  readonly lost: number;
  /** The first few of them. */
  lostIds(): readonly string[];
  send(device: number, number: number): void;
  acknowledge(device: number, number: number): void;
  arrive(device: number, number: number): void;
  deadLetter(device: number, number: number): void;
  drop(reason: string, count: number): void;
  strange(): void;
}

const SENT = 1;
const ACKNOWLEDGED = 2;
const ARRIVED = 4;
const DEAD = 8;
/** Enough to see a pattern: one device, one moment. */
const LOST_NAMED_MAX = 20;

/** What is known of one device's numbers; below `floor` all are acknowledged and have arrived. */
interface Device {
  floor: number;
  /** The highest number that has arrived. */
  latest: number;
  readonly states: Map<number, number>;
}

/** Creates an empty tally. */
export function createTally(): Tally {
  const devices = new Map<number, Device>();
  const counts = createCounts();
  const dropped: Record<string, number> = {};
  let lost = 0;

  function deviceOf(device: number): Device {
    let known = devices.get(device);
    if (known === undefined) {
      known = { floor: 0, latest: -1, states: new Map() };
      devices.set(device, known);
    }
    return known;
  }

  /** Sets a flag and gives what was set before. */
  function mark(device: number, number: number, flag: number): number {
    const { states, floor } = deviceOf(device);
    if (number < floor) return SENT | ACKNOWLEDGED | ARRIVED;
    const before = states.get(number) ?? 0;
    const after = before | flag;
    states.set(number, after);
    lost += Number(isLost(after)) - Number(isLost(before));
    return before;
  }

  /** Forgets the numbers that are done, so that a long run stays small. */
  function raiseFloor(device: Device): void {
    const done = ACKNOWLEDGED | ARRIVED;
    while (((device.states.get(device.floor) ?? 0) & done) === done) {
      device.states.delete(device.floor);
      device.floor += 1;
    }
  }

  function lostIds(): string[] {
    return [...devices]
      .flatMap(([device, { states }]) =>
        [...states].flatMap(([number, state]) => (isLost(state) ? [`${device}/${number}`] : [])),
      )
      .slice(0, LOST_NAMED_MAX);
  }

  return {
    get sent() {
      return counts.sent;
    },
    get published() {
      return counts.published;
    },
    get arrived() {
      return counts.arrived;
    },
    get duplicates() {
      return counts.duplicates;
    },
    get disordered() {
      return counts.disordered;
    },
    get foreign() {
      return counts.foreign;
    },
    get deadLettered() {
      return counts.deadLettered;
    },
    get lost() {
      return lost;
    },
    dropped,
    lostIds,
    send(device, number) {
      if ((mark(device, number, SENT) & SENT) === 0) counts.sent += 1;
    },
    acknowledge(device, number) {
      if ((mark(device, number, ACKNOWLEDGED) & ACKNOWLEDGED) === 0) counts.published += 1;
      raiseFloor(deviceOf(device));
    },
    arrive(device, number) {
      const before = mark(device, number, ARRIVED);
      if ((before & SENT) === 0) counts.foreign += 1;
      if ((before & ARRIVED) !== 0) {
        counts.duplicates += 1;
        return;
      }
      counts.arrived += 1;
      const known = deviceOf(device);
      if (number < known.latest) counts.disordered += 1;
      else known.latest = number;
      raiseFloor(known);
    },
    deadLetter(device, number) {
      if ((mark(device, number, DEAD) & DEAD) === 0) counts.deadLettered += 1;
    },
    drop(reason, count) {
      dropped[reason] = (dropped[reason] ?? 0) + count;
    },
    strange() {
      counts.foreign += 1;
    },
  };
}

function isLost(state: number): boolean {
  return (state & ACKNOWLEDGED) !== 0 && (state & (ARRIVED | DEAD)) === 0;
}

function createCounts() {
  return {
    sent: 0,
    published: 0,
    arrived: 0,
    duplicates: 0,
    disordered: 0,
    foreign: 0,
    deadLettered: 0,
  };
}
