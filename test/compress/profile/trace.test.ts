import { describe, expect, test } from 'vitest';
import { parseTrace } from '../../../src/compress/profile/trace.ts';

interface Given {
  readonly name: string;
  readonly operator: string;
  readonly from: number;
  readonly took: number;
}

/** As the runtime writes it: nothing is escaped. */
function node({ name, operator, from, took }: Given): string {
  return `{"cat" : "Node","pid" :1,"tid" :1,"dur" :${took},"ts" :${from},"ph" : "X","name" :"${name}_kernel_time","args" : {"op_name" : "${operator}","node_index" : "3","mem_arena_held" : "4096","output_type_shape" : [{"float":[1,4]}],"input_type_shape" : [{"float":[1,4]},{"int64":[]}]}},`;
}

function run(from: number, took: number): string {
  return `{"cat" : "Session","pid" :1,"tid" :1,"dur" :${took},"ts" :${from},"ph" : "X","name" :"model_run","args" : {}}`;
}

const plain = { operator: 'Neg', from: 10, took: 2 };

describe('the trace of the runtime', () => {
  test('is read run by run, with shapes', () => {
    const text = ['[', node({ ...plain, name: 'a' }), `${run(9, 5)},`, run(20, 4), ']'].join('\n');
    const runs = parseTrace(text);
    expect(runs.map(({ tookUs, calls }) => [tookUs, calls.length])).toEqual([
      [5, 1],
      [4, 0],
    ]);
    expect(runs[0]?.calls[0]).toMatchObject({
      name: 'a',
      operator: 'Neg',
      tookUs: 2,
      arenaBytes: 4096,
      outputs: [{ type: 'float', shape: [1, 4] }],
      inputs: [
        { type: 'float', shape: [1, 4] },
        { type: 'int64', shape: [] },
      ],
    });
  });

  test('puts what ran within a node into it', () => {
    const calls = [
      node({ ...plain, name: 'before', from: 10 }),
      node({ ...plain, name: 'one', from: 14 }),
      node({ ...plain, name: 'two', from: 17 }),
      node({ name: 'loop', operator: 'Loop', from: 13, took: 9 }),
      node({ ...plain, name: 'after', from: 23 }),
    ];
    const [found] = parseTrace([...calls, run(9, 20)].join('\n'));
    expect(found?.calls.map(({ name }) => name)).toEqual(['before', 'loop', 'after']);
    expect(found?.calls[1]?.inner.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  test.each(['a"b', 'a\nb', 'a\\b', '","args" : {', '</script>', ''])(
    'takes the name %j',
    (name) => {
      const [found] = parseTrace([node({ ...plain, name }), run(9, 5)].join('\n'));
      expect(found?.calls.map((call) => call.name)).toEqual([name]);
    },
  );

  test.each([
    '',
    '[',
    'not a trace',
    '{"cat" : "Node"',
    node({ ...plain, name: 'a' }).slice(0, 90),
  ])('%j has no runs', (text) => {
    expect(parseTrace(text)).toEqual([]);
  });
});
