import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { verifyInstalled } from '../bundle/installed.ts';
import type { PublicKey } from '../bundle/keys.ts';
import { compileTopicPattern, type TopicPattern } from '../bus/topics.ts';
import { loadSource, type Source } from '../devices/source.ts';
import { checkSteps, compileFlow, type Registry } from '../flow/compile.ts';
import type { PlanParts } from '../flow/plan.ts';
import type { Keep } from '../flow/queue.ts';
import { type FlowDelivery, type FlowFile, type FlowSource, flowSchema } from '../flow/schema.ts';
import {
  type Parsed,
  type Problem,
  parseWith,
  parseYaml,
  problemAt,
  type YamlFile,
} from '../std/yaml.ts';
import { NAME } from './config.ts';

/** Folder names that a flow may not have: their topics mean something else. */
const RESERVED_NAMES = new Set(['bridge']);

/** A flow's source with every limit decided: the flow's word, else the source file's. */
export interface FlowIntake {
  readonly pattern: TopicPattern;
  readonly qos: 0 | 1 | 2;
  readonly keep: Keep;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  readonly payloadBytesMax: number;
  readonly deadlineMs: number | undefined;
  readonly delivery: FlowDelivery;
}

/** A flow read and checked, its models opened; not running. */
export interface LoadedFlow {
  readonly file: FlowFile;
  readonly parts: PlanParts;
  readonly intake: FlowIntake;
}

export interface LoadContext {
  readonly stages: Registry;
  /** Folder with own sources/, before the package's. */
  readonly devices: string | undefined;
  /** With keys, a flow that was installed from a bundle must be as one of them signed it. */
  readonly trust?: readonly PublicKey[];
}

/** Reads `flow.yaml` of a folder and checks it whole. Operating errors of its models are problems. */
export async function loadFlow(folder: string, context: LoadContext): Promise<Parsed<LoadedFlow>> {
  const path = join(folder, 'flow.yaml');
  const name = basename(resolve(folder));
  if (!NAME.test(name) || RESERVED_NAMES.has(name)) {
    return whole(
      path,
      `a folder name of letters, digits, - and _ that is not reserved, not ${name}`,
    );
  }
  const untrusted = await bundleProblem(folder, context);
  if (untrusted !== undefined) return whole(folder, untrusted);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return whole(path, `a readable file (${(error as Error).message})`);
  }
  const yaml = parseYaml(text, path);
  if (yaml.kind === 'problems') return yaml;
  const file = parseWith(flowSchema, yaml.value);
  if (file.kind === 'problems') return file;
  const source = await resolveSource(file.value.source, yaml.value, context);
  if (source.kind === 'problems') {
    const steps = checkSteps(file.value, yaml.value, context.stages);
    return { kind: 'problems', problems: [...source.problems, ...steps] };
  }
  const { decode, inFlightMax, ...intake } = source.value;
  const compiled = await compileFlow(file.value, yaml.value, {
    name,
    folder: resolve(folder),
    stages: context.stages,
    inFlightMax,
    decode,
  });
  if (compiled.kind === 'problems') return compiled;
  return { kind: 'ok', value: { file: file.value, parts: compiled.value, intake } };
}

/** What is wrong with the bundle that a flow was installed from, where keys are trusted. */
async function bundleProblem(
  folder: string,
  { trust = [] }: LoadContext,
): Promise<string | undefined> {
  if (trust.length === 0) return undefined;
  try {
    await verifyInstalled(folder, trust);
    return undefined;
  } catch (error) {
    return `a flow as a trusted key signed it (${(error as Error).message})`;
  }
}

/** Gives back the models of a flow that will not run. */
export async function closeLoaded({ parts }: LoadedFlow): Promise<void> {
  for (const { compiled } of parts.steps) await compiled.close?.();
}

type ResolvedSource = FlowIntake & Pick<Source, 'decode' | 'inFlightMax'>;

/** Puts the flow's own words over those of the source file it names. */
async function resolveSource(
  source: FlowSource,
  yaml: YamlFile,
  context: LoadContext,
): Promise<Parsed<ResolvedSource>> {
  const at = (field: string, expected: string): Parsed<ResolvedSource> => ({
    kind: 'problems',
    problems: [problemAt(yaml, ['source', field], expected)],
  });
  let base: Source;
  try {
    base = await loadSource(source.device ?? 'any', context.devices);
  } catch (error) {
    return at('device', (error as Error).message);
  }
  const topic = source.topic ?? base.topic;
  if (topic === undefined) {
    return at('topic', 'a topic pattern, or `device:` with a source that has one');
  }
  let pattern: TopicPattern;
  try {
    pattern = compileTopicPattern(topic);
  } catch (error) {
    return at('topic', (error as Error).message);
  }
  const keep = source.keep ?? base.keep;
  return {
    kind: 'ok',
    value: {
      pattern,
      decode: base.decode,
      qos: source.qos ?? base.qos,
      keep,
      inFlightMax: source.inFlightMax ?? base.inFlightMax,
      queueEventsMax: source.queueEventsMax ?? base.queueEventsMax,
      queueBytesMax: source.queueBytesMax ?? base.queueBytesMax,
      payloadBytesMax: source.payloadBytesMax ?? base.payloadBytesMax,
      deadlineMs: source.deadlineMs ?? base.deadlineMs,
      // What may give way to a newer event is not worth an fsync, unless the flow says so.
      delivery: source.delivery ?? (keep === 'all' ? base.delivery : 'at-most-once'),
    },
  };
}

function whole(file: string, expected: string): { kind: 'problems'; problems: Problem[] } {
  return {
    kind: 'problems',
    problems: [{ file, line: undefined, field: '', value: undefined, expected }],
  };
}
