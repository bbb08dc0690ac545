import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { INSTALLED_MANIFEST } from '../bundle/installed.ts';
import { type Manifest, rungsOf } from '../models/manifest.ts';
import { LedgeError } from '../std/error.ts';
import type { LearnedLabel, Lessoned } from '../teach/learn.ts';
import {
  decodeNumbers,
  EXAMPLES_MAX,
  encodeNumbers,
  type Lesson,
  TAUGHT_MAX,
  type Taught,
} from '../teach/lesson.ts';
import { readTaught, type TaughtState, writeVersion } from '../teach/versions.ts';
import { FREE } from '../tensor/tensor.ts';
import { type Example, openLessons, type Shown } from './lessons.ts';
import type { Bench } from './record-runs.ts';
import { checkTaught } from './teach-check.ts';
import { type ModelFileName, type TaughtFile, teachFile } from './teach-file.ts';

export interface TeachOptions extends Bench {
  /** The flow's own folder. */
  readonly folder: string;
  readonly label: string;
  readonly examples: readonly Example[];
  /** Events of other labels, beside the flow's own tests and what its folder knows of them. */
  readonly others?: readonly Example[];
}

/** What came of a lesson. */
export interface TeachReport {
  readonly flow: string;
  readonly label: string;
  readonly version: number;
  readonly labels: readonly string[];
  readonly taught: readonly Omit<LearnedLabel, 'row'>[];
  /** The flow's own tests with the new model: all that passed before do. */
  readonly tests: Lesson['tests'];
  /** Computing the new rows, for all of the model's files. */
  readonly solveMs: number;
}

/**
 * Teaches a flow's classifier one more label from a few examples: a row on the frozen features of its
 * model, by ridge regression, judged by leaving each example out. A label that was taught before gets
 * the examples added. The new version is written beside the old ones once the flow's own tests pass
 * with it as before. Throws `unsupported`, `value-invalid`, `flow-invalid`, `model-refused`,
 * `data-unwritable`.
 */
export async function teachFlow(options: TeachOptions): Promise<TeachReport> {
  const { folder, label } = options;
  await checkRequest(options);
  const state = await readTaught(folder);
  const known = state.base.labels ?? [];
  if (known.length === 0) {
    throw new LedgeError('unsupported', `Cannot teach "${label}": model.yaml has no labels`);
  }
  if (known.includes(label)) {
    throw refused(label, `the model "${state.base.name}" was trained on it`);
  }
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-teach-'));
  try {
    const { names, shown, others } = await show(state, options);
    const files: TaughtFile[] = [];
    for (const one of rungsOf(state.base)) {
      const before = lessonedBy(state.lesson, one.sha256);
      const given = { ...options, scratch, known, before, shown, others };
      files.push(await teachFile(one, given));
    }
    const version = versionOf(state, { label, names, files });
    const tests = await checkTaught(options, { version, scratch });
    const lesson = { ...version.lesson, tests };
    await writeVersion(folder, { ...version, lesson });
    // What is told is of the first file, which runs unless the board asks for less.
    const learned = files[0]?.learned ?? [];
    return {
      flow: basename(folder),
      label,
      version: lesson.version,
      labels: [...known, ...learned.map((one) => one.label)],
      taught: learned.map(({ row: _, ...told }) => told),
      tests,
      solveMs: lesson.solveMs,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function checkRequest({ folder, label, examples, load }: TeachOptions): Promise<void> {
  if (!/^[^\p{C}]{1,128}$/u.test(label)) throw refused(label, 'a label is 1 to 128 characters');
  if (examples.length < 2 || examples.length > EXAMPLES_MAX) {
    throw refused(label, `${examples.length} examples were given, 2 to ${EXAMPLES_MAX} are taken`);
  }
  const signed = await stat(join(folder, INSTALLED_MANIFEST)).catch(() => undefined);
  if (signed === undefined || (load.trust ?? []).length === 0) return;
  const state = 'it must stay as its bundle was signed: copy it to a folder of another name';
  throw new LedgeError('unsupported', `Cannot teach the flow "${basename(folder)}": ${state}`);
}

interface Showing {
  /** Of all examples of the label, earlier ones first. */
  readonly names: readonly string[];
  readonly shown: readonly Shown[];
  readonly others: readonly Shown[];
}

/** Takes the events through the flow up to its model. */
async function show({ lesson }: TaughtState, options: TeachOptions): Promise<Showing> {
  const { folder, label, examples, others = [] } = options;
  const taught = lesson?.taught ?? [];
  const before = taught.find((one) => one.label === label);
  if (before === undefined && taught.length >= TAUGHT_MAX) {
    throw refused(label, `${TAUGHT_MAX} labels were taught already`);
  }
  const names = [...(before?.examples ?? []), ...examples.map(({ name }) => name)];
  if (names.length > EXAMPLES_MAX) {
    throw refused(label, `it has ${names.length} examples by now, at most ${EXAMPLES_MAX}`);
  }
  await using lessons = await openLessons(folder, options);
  const shown = await lessons.examples(examples);
  return {
    names,
    shown,
    others: [...(await lessons.tests()), ...(await lessons.examples(others))],
  };
}

function lessonedBy(lesson: Lesson | undefined, sha256: string): readonly Lessoned[] {
  return (lesson?.taught ?? []).map(({ label, examples, features }) => {
    const text = features[sha256];
    if (text === undefined) throw refused(label, 'its examples are of another model');
    const bytes = Buffer.byteLength(text, 'base64') / Float32Array.BYTES_PER_ELEMENT;
    const size = bytes / examples.length;
    const all = decodeNumbers(text, examples.length * size);
    return { label, features: examples.map((_, at) => all.slice(at * size, (at + 1) * size)) };
  });
}

interface Made {
  readonly label: string;
  readonly names: readonly string[];
  readonly files: readonly TaughtFile[];
}

function versionOf(state: TaughtState, { label, names, files }: Made) {
  const { base, baseText, next, lesson } = state;
  const sources = rungsOf(base);
  const learned = files[0]?.learned ?? [];
  const features = Object.fromEntries(
    files.map((one, at) => {
      const flat = one.features.flatMap((row) => [...row]);
      return [sources[at]?.sha256 ?? '', encodeNumbers(flat)];
    }),
  );
  const taught = learned.map(({ label: name, recognised, of, falseShare }): Taught => {
    const leaveOneOut = { recognised, of, falseShare };
    const old = lesson?.taught.find((one) => one.label === name);
    if (name !== label && old !== undefined) return { ...old, leaveOneOut };
    return { label: name, examples: [...names], features, leaveOneOut };
  });
  const named = files.map(({ sha256 }, at) => {
    const file = (sources[at]?.file ?? '').replace(/\.onnx$/, `.taught-${next}.onnx`);
    return { file, sha256 };
  });
  return {
    manifest: manifestOf(base, { version: next, named, learned }),
    lesson: {
      version: next,
      base: base.sha256,
      taught,
      tests: { passed: 0, of: 0 },
      solveMs: files.reduce((sum, one) => sum + one.solveMs, 0),
    },
    baseText,
    models: new Map(files.map(({ bytes }, at) => [named[at]?.file ?? '', bytes])),
  };
}

interface Naming {
  readonly version: number;
  readonly named: readonly ModelFileName[];
  readonly learned: readonly LearnedLabel[];
}

/** The manifest of a taught version, as JSON, which is YAML. */
function manifestOf(base: Manifest, { version, named, learned }: Naming): string {
  const labels = base.labels ?? [];
  const ends = (specs: Manifest['inputs']) =>
    specs.map(({ name, type, shape }) => ({
      name,
      type,
      shape: shape.map((size) => (size === FREE ? 'N' : size)),
    }));
  const outputs = ends(base.outputs).map((one) => {
    const scores = one.shape.length === 2 && one.shape[1] === labels.length;
    return scores ? { ...one, shape: [one.shape[0], labels.length + learned.length] } : one;
  });
  const [first, ...cheaper] = named;
  const ladder = cheaper.map((file, at) => {
    const { name, precision } = base.ladder?.[at] ?? {};
    return { name, ...file, precision };
  });
  const stated = {
    ...base,
    version: `${base.version}+taught.${version}`,
    file: first?.file,
    sha256: first?.sha256,
    inputs: ends(base.inputs),
    outputs,
    labels: [...labels, ...learned.map(({ label }) => label)],
    taught: version,
    ...(ladder.length > 0 && { ladder }),
    accuracy: learned.map(({ label, recognised, of }) => ({
      metric: `recognised, each example left out: ${label}`,
      value: recognised / of,
      data: 'examples taught on this node',
      count: of,
    })),
  };
  return `${JSON.stringify(stated, null, 2)}\n`;
}

function refused(label: string, state: string): LedgeError {
  return new LedgeError('value-invalid', `Cannot teach "${label}": ${state}`);
}
