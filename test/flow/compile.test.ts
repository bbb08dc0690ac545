import { describe, expect, test } from 'vitest';
import { compileFlow } from '../../src/flow/compile.ts';
import { flowSchema } from '../../src/flow/schema.ts';
import { createPredict } from '../../src/stages/infer/predict.ts';
import { createStages } from '../../src/stages/stages.ts';
import { LedgeError } from '../../src/std/error.ts';
import { formatProblem, parseWith, parseYaml } from '../../src/std/yaml.ts';

/** These flows have no model. */
const predict = createPredict({
  open: (path) => Promise.reject(new LedgeError('not-found', `Cannot find ${path}`)),
});
const stages = createStages({ predict });

async function problemsOf(text: string, decode: Record<string, unknown>[] = []): Promise<string[]> {
  const yaml = parseYaml(text, 'flow.yaml');
  if (yaml.kind === 'problems') return yaml.problems.map(formatProblem);
  const file = parseWith(flowSchema, yaml.value);
  if (file.kind === 'problems') return file.problems.map(formatProblem);
  const options = { name: 'test', folder: '/', stages, inFlightMax: 1, decode };
  const compiled = await compileFlow(file.value, yaml.value, options);
  return compiled.kind === 'ok' ? [] : compiled.problems.map(formatProblem);
}

const flow = (steps: string) => `source: { topic: 'in/{device}' }\nsteps:\n${steps}`;

describe('a flow file', () => {
  test.each([
    [
      'an unknown stage, with the nearest name',
      flow('  - float32: { shape: [4] }\n  - sofmax: {}'),
      ['flow.yaml:4: steps.1.sofmax: found {}, expected a stage; did you mean "softmax"?'],
    ],
    [
      'every bad field at once, each with its line',
      flow(
        '  - float32: { shape: [4], endian: big }\n  - top-k: { k: many }\n  - softmax: { x: 1 }',
      ),
      [
        'flow.yaml:3: steps.0.float32.endian: expected no such field',
        'flow.yaml:4: steps.1.top-k.k: found "many", expected number',
        'flow.yaml:5: steps.2.softmax.x: expected no such field',
      ],
    ],
    [
      'a step that is no stage',
      flow('  - as: nothing'),
      [
        'flow.yaml:3: steps.0: found {"as":"nothing"}, expected one stage, beside "as" and "from", found none',
      ],
    ],
    [
      'a name that no step stored',
      flow('  - float32: { shape: [4] }\n    as: mel\n  - softmax: {}\n    from: male'),
      ['flow.yaml:6: steps.1.from: found "male", expected one of mel'],
    ],
    [
      'a flow that ends without a result',
      flow('  - float32: { shape: [4] }\n  - softmax: {}'),
      ['flow.yaml:4: steps.1: expected the last step to give a result, not float32[4]'],
    ],
    [
      'an unknown field of the flow',
      'sorce: {}\nsource: {}\nsteps: [{ json: {} }]',
      ['flow.yaml:1: sorce: expected no such field'],
    ],
    [
      'YAML that does not parse',
      'steps: [',
      [expect.stringMatching(/^flow.yaml:1: expected YAML/)],
    ],
    [
      'a field given twice',
      'source: {}\nsource: {}\nsteps: []',
      [expect.stringMatching(/^flow.yaml:2: expected YAML/)],
    ],
  ])('%s is told', async (_, text, expected) => {
    expect(await problemsOf(text)).toEqual(expected);
  });

  test('an alias bomb is refused within the limit', async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const item = level === 0 ? 'x' : `*a${level - 1}`;
      return `a${level}: &a${level} [${Array(9).fill(item).join(', ')}]`;
    });
    const problems = await problemsOf(`${levels.join('\n')}\nsteps: *a11`);
    expect(problems).toEqual([expect.stringMatching(/expected at most 64 alias expansions/)]);
  });

  test("the source's decoder is put before steps that begin with none", async () => {
    const text = flow('  - softmax: {}\n  - top-k: { k: 1, labels: [a, b] }');
    expect(await problemsOf(text, [{ float32: { shape: [2] } }])).toEqual([]);
    expect(await problemsOf(text, [])).toHaveLength(1);
  });

  test('labels that do not fit the tensor are told before the first event', async () => {
    const text = flow('  - float32: { shape: [3] }\n  - top-k: { k: 1, labels: [a, b] }');
    expect((await problemsOf(text))[0]).toMatch(/^flow.yaml:4: steps.1.top-k.labels: found/);
  });
});
