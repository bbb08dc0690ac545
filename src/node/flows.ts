import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../std/clock.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import { nearest } from '../std/nearest.ts';
import { formatProblem, type Problem } from '../std/yaml.ts';
import { openStateFiles, type StateFiles } from '../store/state-files.ts';
import { findClash } from './flow-clash.ts';
import { closeLoaded, type LoadContext, type LoadedFlow, loadFlow } from './flow-load.ts';
import { type FlowRunner, type RunnerContext, startFlow } from './flow-runner.ts';
import { type FlowState, type FlowStatus, flowStatus } from './flow-status.ts';
import type { Log } from './log.ts';
import { createCounts, type WireCounts } from './wire.ts';

/** Flows a node runs at most: each costs some 100 kB and a subscription. */
const FLOWS_MAX = 256;
/** An editor writes a file in several steps: wait for it to be done. */
const RELOAD_AFTER_MS = 200;
/** What devices learned is written this often, and at every stop. */
const SAVE_EVERY_MS = 5000;
/** Beside the states of flows, whose names never begin with a dot: what was switched off by request. */
const DISABLED_FOLDER = '.disabled';

interface FlowSlot {
  readonly name: string;
  readonly folder: string;
  state: FlowState;
  runner: FlowRunner | undefined;
  loaded: LoadedFlow | undefined;
  states: StateFiles | undefined;
  problems: readonly Problem[];
}

export interface FlowsOptions {
  /** Folder whose folders are flows. */
  readonly folder: string;
  readonly stateFolder: string;
  readonly load: LoadContext;
  readonly runner: Omit<RunnerContext, 'state' | 'log' | 'counts'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly drainMs: number;
  /** A change that lists should show. */
  onChange(kind: string, name: string): void;
}

/** All flows of a node. Changes come one after the other, whoever asks for them. */
export interface Flows extends AsyncDisposable {
  list(): readonly FlowStatus[];
  runners(): readonly FlowRunner[];
  /** What was read of a flow, running or not. */
  loaded(name: string): LoadedFlow | undefined;
  /** Counts of every flow that ran since the node started, by name. */
  counts(): ReadonlyMap<string, Readonly<WireCounts>>;
  /**
   * Lets the flows take up what the journal kept of them. Called once everything that takes results is
   * there; flows that start later begin at once.
   */
  begin(): void;
  /**
   * These fail with `not-found`; `reload` with `flow-invalid`, the old flow then runs on. What is
   * disabled stays so over restarts and changes of its file, until it is enabled.
   */
  enable(name: string): Promise<void>;
  disable(name: string): Promise<void>;
  reload(name?: string): Promise<void>;
  relearn(name: string, device: string | undefined): Promise<number>;
}

/** Loads and starts every flow of a folder, and follows its changes. A bad flow stops no other. */
export async function openFlows(options: FlowsOptions): Promise<Flows> {
  const { clock, log, runner: runnerContext } = options;
  const slots = new Map<string, FlowSlot>();
  const counts = new Map<string, WireCounts>();
  let begun = false;
  const disabled = await openKept(DISABLED_FOLDER);
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  /** Runs changes one at a time. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = last.then(change, change);
    last = turn.catch(() => undefined);
    return turn;
  }

  async function scan(): Promise<void> {
    let entries: string[] = [];
    try {
      const found = await readdir(options.folder, { withFileTypes: true });
      entries = found.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch (error) {
      log.warn('Cannot read the flows folder', { folder: options.folder, error: String(error) });
      return;
    }
    for (const name of entries.sort()) {
      if (slots.has(name) || name.startsWith('.')) continue;
      if (slots.size >= FLOWS_MAX) {
        log.error('Too many flows', { flow: name, flowsMax: FLOWS_MAX });
        continue;
      }
      const slot: FlowSlot = {
        name,
        folder: join(options.folder, name),
        state: 'disabled',
        runner: undefined,
        loaded: undefined,
        states: undefined,
        problems: [],
      };
      slots.set(name, slot);
      await start(slot, false);
    }
    for (const slot of slots.values()) {
      if (!entries.includes(slot.name)) await remove(slot);
    }
  }

  /** Loads a flow that is not running, and starts it where it is enabled or asked for. */
  async function start(slot: FlowSlot, asked: boolean): Promise<void> {
    const loaded = await loadFlow(slot.folder, options.load);
    if (loaded.kind === 'problems') return refuse(slot, loaded.problems);
    const clash = clashOf(loaded.value, slot);
    if (clash !== undefined) {
      await closeLoaded(loaded.value);
      return refuse(slot, [clash]);
    }
    slot.problems = [];
    slot.loaded = loaded.value;
    const enabled = loaded.value.file.enabled && disabled.get(slot.name) === undefined;
    if (!enabled && !asked) {
      slot.state = 'disabled';
      await closeLoaded(loaded.value);
      return;
    }
    slot.states ??= await openKept(slot.name);
    slot.runner = await startFlow(loaded.value, {
      ...runnerContext,
      log: flowLog(slot),
      state: stateOf(slot),
      counts: countsOf(slot),
    });
    if (begun) slot.runner.begin();
    slot.state = 'running';
    log.info('Flow runs', { flow: slot.name, in: loaded.value.intake.pattern.pattern });
    options.onChange('flow-started', slot.name);
  }

  function refuse(slot: FlowSlot, problems: readonly Problem[]): void {
    slot.problems = problems;
    if (slot.runner === undefined) slot.state = 'failed';
    log.error('Flow refused', { flow: slot.name, problems: problems.map(formatProblem) });
    options.onChange('flow-refused', slot.name);
  }

  function clashOf(loaded: LoadedFlow, slot: FlowSlot): Problem | undefined {
    const running = [...slots.values()].filter(
      (other) => other !== slot && other.runner !== undefined,
    );
    const others = running.flatMap((other) => other.loaded ?? []);
    return findClash(loaded, { others, base: runnerContext.base, folder: slot.folder });
  }

  async function reloadSlot(slot: FlowSlot): Promise<void> {
    if (slot.runner === undefined) {
      await start(slot, slot.state === 'running');
    } else {
      const loaded = await loadFlow(slot.folder, options.load);
      const clash = loaded.kind === 'ok' ? clashOf(loaded.value, slot) : undefined;
      if (loaded.kind === 'problems') refuse(slot, loaded.problems);
      else if (clash !== undefined || !loaded.value.file.enabled) {
        await closeLoaded(loaded.value);
        if (clash !== undefined) refuse(slot, [clash]);
        else await stop(slot);
      } else {
        slot.problems = [];
        slot.loaded = loaded.value;
        await slot.runner.swap(loaded.value);
        log.info('Flow reloaded', { flow: slot.name });
        options.onChange('flow-reloaded', slot.name);
      }
    }
    if (slot.problems.length > 0) {
      const text = slot.problems.map(formatProblem).join('\n');
      throw new LedgeError('flow-invalid', `Flow "${slot.name}" was not reloaded:\n${text}`);
    }
  }

  /** Reloads each, whatever became of the one before. */
  async function reloadSlots(chosen: readonly FlowSlot[]): Promise<void> {
    const failures: LedgeError[] = [];
    for (const slot of chosen) {
      await reloadSlot(slot).catch((error) => failures.push(toLedgeError(error)));
    }
    if (failures.length === 0) return;
    throw new LedgeError('flow-invalid', failures.map(({ message }) => message).join('\n'));
  }

  async function stop(slot: FlowSlot): Promise<void> {
    const { runner } = slot;
    slot.runner = undefined;
    slot.state = 'disabled';
    await runner?.close(options.drainMs);
    await keepStates(slot);
    log.info('Flow stopped', { flow: slot.name });
    options.onChange('flow-stopped', slot.name);
  }

  async function remove(slot: FlowSlot): Promise<void> {
    slots.delete(slot.name);
    await stop(slot);
    disabled.delete(slot.name);
    await disabled.flush();
  }

  async function enable(slot: FlowSlot): Promise<void> {
    disabled.delete(slot.name);
    await disabled.flush();
    if (slot.runner === undefined) await start(slot, true);
    if (slot.runner !== undefined) return;
    const text = slot.problems.map(formatProblem).join('\n');
    throw new LedgeError('flow-invalid', `Flow "${slot.name}" cannot start:\n${text}`);
  }

  /** Stops a flow until it is enabled again, over restarts and changes of its file. */
  async function disable(slot: FlowSlot): Promise<void> {
    disabled.set(slot.name, { disabled: true });
    await disabled.flush();
    await stop(slot);
  }

  function slotOf(name: string): FlowSlot {
    const slot = slots.get(name);
    if (slot !== undefined) return slot;
    const near = nearest(name, [...slots.keys()]);
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new LedgeError('not-found', `There is no flow "${name}"${hint}`);
  }

  function countsOf({ name }: FlowSlot): WireCounts {
    const known = counts.get(name) ?? createCounts();
    counts.set(name, known);
    return known;
  }

  function begin(): void {
    begun = true;
    for (const { runner } of slots.values()) runner?.begin();
    const { journal } = runnerContext;
    for (const flow of journal?.flows() ?? []) {
      if (slots.get(flow)?.runner !== undefined) continue;
      const { events, bytes } = journal?.count(flow) ?? { events: 0, bytes: 0 };
      log.warn('The journal keeps events of a flow that does not run', { flow, events, bytes });
    }
  }

  function flowLog(slot: FlowSlot): Log {
    return log.child({ flow: slot.name });
  }

  function openKept(name: string): Promise<StateFiles> {
    return openStateFiles(join(options.stateFolder, name), (file, error) =>
      log.warn('Set a damaged state aside', { flow: name, file, error: String(error) }),
    );
  }

  function stateOf(slot: FlowSlot): RunnerContext['state'] {
    const states = slot.states as StateFiles;
    return {
      load: (device) => states.get(device) ?? {},
      save(device, state) {
        if (Object.keys(state).length > 0) states.set(device, state);
      },
      refuse(device, place, error) {
        flowLog(slot).warn('Kept state does not fit any more', {
          device,
          place,
          error: String(error),
        });
      },
      forget: (device) => states.delete(device),
    };
  }

  async function forget(slot: FlowSlot, device: string | undefined): Promise<number> {
    slot.states ??= await openKept(slot.name);
    const count = slot.runner?.plan.forget(device) ?? slot.states.delete(device);
    await slot.states.flush();
    return count;
  }

  async function saveAll(): Promise<void> {
    for (const slot of slots.values()) {
      slot.runner?.plan.save();
      await keepStates(slot);
    }
  }

  async function keepStates({ name, states }: FlowSlot): Promise<void> {
    try {
      await states?.flush();
    } catch (error) {
      log.error('Cannot keep what was learned', { flow: name, error: String(error) });
    }
  }

  await inTurn(scan);
  const stopSaving = clock.every(SAVE_EVERY_MS, () => void saveAll());
  const stopWatching = watchFlows(options, (changed) =>
    inTurn(async () => {
      await scan();
      for (const name of changed) {
        const slot = slots.get(name);
        if (slot !== undefined) await reloadSlot(slot).catch(() => undefined);
      }
    }),
  );

  return {
    list: () => [...slots.values()].map((slot) => flowStatus(slot, runnerContext.base)),
    runners: () => [...slots.values()].flatMap(({ runner }) => runner ?? []),
    loaded: (name) => slots.get(name)?.loaded,
    counts: () => counts,
    begin,
    enable: (name) => inTurn(() => enable(slotOf(name))),
    disable: (name) => inTurn(() => disable(slotOf(name))),
    reload: (name) =>
      inTurn(async () => {
        if (name === undefined || !slots.has(name)) await scan();
        await reloadSlots(name === undefined ? [...slots.values()] : [slotOf(name)]);
      }),
    relearn: (name, device) => inTurn(() => forget(slotOf(name), device)),
    [Symbol.asyncDispose]() {
      closing ??= inTurn(async () => {
        stopWatching();
        stopSaving();
        await Promise.all([...slots.values()].map(stop));
      });
      return closing;
    },
  };
}

/** Calls with the names of changed flows, once their files have been quiet for a moment. */
function watchFlows(options: FlowsOptions, call: (changed: string[]) => Promise<void>): () => void {
  const changed = new Set<string>();
  let cancel: (() => void) | undefined;
  try {
    const watcher = watch(options.folder, { recursive: true, persistent: false }, (_, path) => {
      const [flow, file] = (path ?? '').split(/[/\\]/);
      if (flow === undefined || flow.startsWith('.') || file === 'samples') return;
      changed.add(flow);
      cancel?.();
      cancel = options.clock.after(RELOAD_AFTER_MS, () => {
        const names = [...changed];
        changed.clear();
        void call(names);
      });
    });
    watcher.on('error', (error) =>
      options.log.warn('Cannot watch the flows', { error: String(error) }),
    );
    return () => {
      cancel?.();
      watcher.close();
    };
  } catch (error) {
    options.log.warn('Changes of flows are not seen: reload by request', { error: String(error) });
    return () => undefined;
  }
}
