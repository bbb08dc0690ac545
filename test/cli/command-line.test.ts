import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS, runCommandLine } from '../../src/cli/command-line.ts';
import { packageVersion } from '../../src/std/package.ts';
import { type Ended, ledge } from '../harness/cli.ts';
import { fourNumbers, tinyFlow, writeFlow, writeFlows } from '../harness/flows.ts';
import { temporaryFolder } from '../harness/node.ts';

const TESTS = `
tests:
  - name: four numbers
    event: four.bin
    expect: [{ top: [{}, {}] }]
`;
const FAILING = `${TESTS}
  - name: a wrong label
    event: four.bin
    expect: [{ label: up }]
`;

let good: string;
let bad: string;
let failing: string;
let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  good = await writeFlows({
    one: tinyFlow({ topic: 'one/{device}', more: TESTS }),
    two: tinyFlow({ topic: 'two/{device}', more: `priority: high\n${TESTS}` }),
  });
  failing = await writeFlows({ one: tinyFlow({ more: FAILING }) });
  for (const root of [join(good, 'one'), join(good, 'two'), join(failing, 'one')]) {
    await writeFile(join(root, 'four.bin'), fourNumbers(1, 2, 3, 4));
  }
  bad = await writeFlows({
    'a-good': tinyFlow(),
    'b-stage': tinyFlow({ topic: 'b/{device}' }).replace('softmax', 'sofmax'),
    'c-fields': 'sorce: {}\nsource: {}\nsteps: [{ json: {} }]\nsink: { encoding: xml }',
    'd-yaml': 'steps: [',
    'e-model': tinyFlow({ topic: 'e/{device}' }).replace('model.onnx', 'none.onnx'),
    'f-shape': tinyFlow({ topic: 'f/{device}' }).replace('[4]', '[5]'),
    'g-twin': tinyFlow({ topic: 'g/{device}', more: "sink: { topic: 'ledge/n/a-good/{device}' }" }),
  });
  await writeFlow(bad, 'h+name', tinyFlow());
});

afterAll(async () => {
  for (const root of [good, bad, failing, folder]) await rm(root, { recursive: true });
});

/** Runs a command line in this process: starting one takes longer than most commands. */
async function runIn(...words: string[]): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const { signal } = new AbortController();
  const terminal = { stdout: into('stdout'), stderr: into('stderr'), signal };
  const code = await runCommandLine(words, terminal);
  return { code, ...written };
}

describe('ledge', () => {
  test('--version prints the version', async () => {
    expect(await ledge(['--version'])).toEqual({
      code: 0,
      stdout: `${packageVersion()}\n`,
      stderr: '',
    });
  });

  test('--help lists every command, and the exit codes', async () => {
    const { code, stdout } = await runIn('--help');
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS))
      expect(stdout).toMatch(new RegExp(`^  ${name} +\\w`, 'm'));
    expect(stdout).toContain('Exit codes: 0 well, 1 a problem, 2 wrong usage');
  });

  test('without a command prints the same page and ends with 2', async () => {
    const [page, none] = await Promise.all([runIn('--help'), runIn()]);
    expect(none).toEqual({ ...page, code: 2 });
  });

  test.each(Object.keys(COMMANDS))(
    '%s --help tells each option and gives examples',
    async (name) => {
      const { code, stdout, stderr } = await runIn(name, '--help');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`Usage: ledge ${name}`));
      expect(stdout).toMatch(new RegExp(`Examples:\\n  ledge ${name}`));
      const command = await COMMANDS[name]?.();
      for (const option of Object.keys(command?.options ?? {})) {
        expect(stdout).toMatch(new RegExp(`--${option}( VALUE)? +\\S`));
      }
    },
  );

  test.each<[string, string[], RegExp]>([
    [
      'an unknown command',
      ['chekc'],
      /no command "chekc"; did you mean "check"\? See ledge --help/,
    ],
    ['a command like no other', ['xyzzyx'], /no command "xyzzyx" +See/],
    ['a command of the prototype', ['constructor'], /no command "constructor"/],
    ['an unknown option', ['check', '--josn'], /--josn[\s\S]*Usage: ledge check/],
    ['an option without its value', ['check', '--flows'], /--flows[\s\S]*Usage: ledge check/],
    ['a value for a switch', ['check', '--json=yes'], /--json[\s\S]*Usage: ledge check/],
    ['no action', ['flow'], /what to do\?[\s\S]*Usage: ledge flow/],
    ['an unknown action', ['flow', 'tset'], /Usage: ledge flow/],
    ['too few words', ['flow', 'trace', 'one'], /Usage: ledge flow/],
  ])('%s ends with 2 and a hint', async (_, words, hint) => {
    const { code, stdout, stderr } = await runIn(...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(hint);
  });
});

describe('ledge check', () => {
  test('finds nothing in good flows', async () => {
    const { code, stdout } = await runIn('check', '--flows', good);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '2 flows checked, 0 problems\n' });
  });

  test('finds every problem of every flow, each with its file and line', async () => {
    const { code, stdout } = await ledge(['check', '--flows', bad, '--node', 'n']);
    expect(code).toBe(1);
    const lines = stdout.trim().split('\n');
    const place = (flow: string, rest: string) =>
      expect.stringMatching(new RegExp(`${flow}.flow\\.yaml${rest}`));
    expect(lines).toEqual([
      place('b-stage', ':5: steps\\.2\\.sofmax: .*did you mean "softmax"'),
      place('c-fields', ':4: sink\\.encoding: found "xml", expected one of json, msgpack'),
      place('c-fields', ':1: sorce: expected no such field'),
      place('d-yaml', ':1: expected YAML'),
      place('e-model', ':4: steps\\.1\\.predict: .*none\\.onnx does not exist'),
      place('f-shape', ':4: steps\\.1\\.predict.*4.*5|5.*4'),
      place('g-twin', '.*sink\\.topic: .*"a-good"'),
      expect.stringMatching(/h\+name.*letters, digits/),
      '8 flows checked, 8 problems',
    ]);
  });

  test('gives the same as JSON', async () => {
    const { code, stdout } = await runIn('check', '--flows', bad, '--node', 'n', '--json');
    expect(code).toBe(1);
    const { checked, problems } = JSON.parse(stdout);
    expect(checked).toBe(8);
    expect(problems).toHaveLength(8);
    expect(problems[0]).toMatchObject({
      file: join(bad, 'b-stage', 'flow.yaml'),
      line: 5,
      field: 'steps.2.sofmax',
      expected: expect.stringContaining('softmax'),
    });
  });

  test('tells the problems of the configuration', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'nod: a\nbroker: { port: x }\n');
    const { code, stdout } = await runIn(
      'check',
      '--flows',
      good,
      '--config',
      join(folder, 'bad.yaml'),
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(/bad\.yaml:1: nod: .*did you mean "node"/);
    expect(stdout).toMatch(/bad\.yaml:2: broker\.port: found "x", expected number/);
  });

  test('reads LEDGE_ variables, and names the one that is wrong', async () => {
    const ended = await ledge(['check'], { cwd: folder, env: { LEDGE_FLOWS: good } });
    expect(ended).toMatchObject({ code: 0, stdout: '2 flows checked, 0 problems\n' });
    const env = { LEDGE_FLOWS: good, LEDGE_LOG__LEVEL: 'loud' };
    const { code, stdout } = await ledge(['check'], { cwd: folder, env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^LEDGE_LOG__LEVEL: log\.level: found "loud", expected one of debug/);
  });
});

describe('ledge flow list', () => {
  test('names each flow with its topics', async () => {
    const { code, stdout } = await runIn('flow', 'list', '--flows', good, '--node', 'n', '--json');
    expect(code).toBe(0);
    const { flows } = JSON.parse(stdout);
    expect(flows).toMatchObject([
      { name: 'one', priority: 'normal', in: 'one/{device}', out: 'ledge/n/one/{device}' },
      { name: 'two', priority: 'high', model: { name: 'two', precision: 'fp32' } },
    ]);
    const table = await runIn('flow', 'list', '--flows', good, '--node', 'n');
    expect(table.stdout).toMatch(
      /^name +enabled +priority[\s\S]*^one +true +normal +one\/\{device\}/m,
    );
  });

  test('names what is wrong with bad ones, and ends with 1', async () => {
    const { code, stdout } = await runIn('flow', 'list', '--flows', bad, '--json');
    expect(code).toBe(1);
    const { flows } = JSON.parse(stdout);
    expect(flows).toHaveLength(8);
    expect(flows[1]).toMatchObject({
      name: 'b-stage',
      problems: [expect.stringContaining('sofmax')],
    });
  });
});

describe('ledge flow test', () => {
  test('runs the tests of every flow', async () => {
    const { code, stdout } = await runIn('flow', 'test', '--flows', good);
    expect(code).toBe(0);
    expect(stdout).toBe('ok    one: four numbers\nok    two: four numbers\n2 passed, 0 failed\n');
  });

  test('a failing test ends with 1 and says what differs', async () => {
    const { code, stdout } = await runIn('flow', 'test', 'one', '--flows', failing);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /ok {4}one: four numbers\nFAIL {2}one: a wrong label\n {6}results\.0\.label: expected "up", got "(left|right)"\n1 passed, 1 failed/,
    );
    const json = await runIn('flow', 'test', join(failing, 'one'), '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      passed: 1,
      failed: 1,
      reports: [
        { flow: 'one', name: 'four numbers', passed: true, differences: [] },
        { flow: 'one', name: 'a wrong label', passed: false },
      ],
    });
  });

  test('a flow that does not load, or is not there, ends with 1 and why', async () => {
    const broken = await runIn('flow', 'test', 'b-stage', '--flows', bad);
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/sofmax/) });
    const none = await runIn('flow', 'test', 'tow', '--flows', good);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/no flow "tow"/) });
  });
});

describe('ledge flow trace', () => {
  const file = () => join(good, 'one', 'four.bin');

  test('prints every stage with its shape, range and time', async () => {
    const { code, stdout } = await runIn('flow', 'trace', 'one', file(), '--flows', good);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^step +stage +phase +ms +output$/),
      expect.stringMatching(/^1 +float32 +decode +\d+\.\d{3} +float32\[4\] 1\.000 \.\. 4\.000$/),
      expect.stringMatching(/^2 +predict +infer +\d+\.\d{3} +float32\[2\] \S+ \.\. \S+$/),
      expect.stringMatching(/^3 +softmax +postprocess +\d+\.\d{3} +float32\[2\] \S+ \.\. \S+$/),
      expect.stringMatching(/^4 +top-k +postprocess +\d+\.\d{3} +\{"label"/),
      expect.stringMatching(/^result {2}\{"label":"(left|right)"/),
      '',
    ]);
  });

  test('gives the same as JSON', async () => {
    const { stdout } = await runIn('flow', 'trace', 'one', file(), '--flows', good, '--json');
    const { steps, results, end } = JSON.parse(stdout);
    expect(steps.map(({ stage }: { stage: string }) => stage)).toEqual([
      'float32',
      'predict',
      'softmax',
      'top-k',
    ]);
    expect(results).toHaveLength(1);
    expect(end).toEqual({ kind: 'done' });
  });

  test('an event that fails ends with 1 and its error', async () => {
    const three = join(folder, 'three.bin');
    await writeFile(three, 'abc');
    const { code, stdout } = await runIn('flow', 'trace', 'one', three, '--flows', good);
    expect(code).toBe(1);
    expect(stdout).toMatch(/failed: payload-invalid: .*3 bytes/);
    const json = await runIn('flow', 'trace', 'one', three, '--flows', good, '--json');
    expect(JSON.parse(json.stdout).end).toMatchObject({
      kind: 'fail',
      error: { code: 'payload-invalid', message: expect.stringContaining('3 bytes') },
    });
  });

  test('an event that is not there ends with 1', async () => {
    const ended = await runIn('flow', 'trace', 'one', 'none.bin', '--flows', good);
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Cannot read the event/),
    });
  });
});

describe('ledge bench', () => {
  test('measures the flows on the events of their tests', async () => {
    const words = ['bench', 'one', '--seconds', '0.2', '--flows', good];
    const { code, stdout, stderr } = await runIn(...words, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { rows } = JSON.parse(stdout);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ flow: 'one' });
    for (const figure of ['events', 'eventsPerSecond', 'latencyMsP50', 'latencyMsP95']) {
      expect(rows[0][figure]).toBeGreaterThan(0);
    }
    expect(rows[0].latencyMsP95).toBeGreaterThanOrEqual(rows[0].latencyMsP50);
  });

  test.each<[string, string[], RegExp]>([
    ['no time', ['--seconds', '0'], /--seconds: found 0/],
    ['a time that is none', ['--seconds', 'x'], /--seconds: found x/],
    ['a flow without tests', ['a-good'], /"a-good" has no tests/],
  ])('ends with 1 for %s', async (_, words, message) => {
    const ended = await runIn('bench', ...words, '--flows', bad);
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });
});
