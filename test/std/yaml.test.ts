import { describe, expect, test } from 'vitest';
import { z } from '../../src/std/schema.ts';
import { formatProblem, parseWith, parseYaml, YAML_BYTES_MAX } from '../../src/std/yaml.ts';

function problemsOf(text: string): readonly string[] {
  const parsed = parseYaml(text, 'f.yaml');
  return parsed.kind === 'ok' ? [] : parsed.problems.map(formatProblem);
}

describe('parseYaml', () => {
  test('reads YAML and JSON', () => {
    for (const text of ['a: [1, x]\nb:\n  c: true', '{"a": [1, "x"], "b": {"c": true}}']) {
      const parsed = parseYaml(text, 'f.yaml');
      expect(parsed).toMatchObject({
        kind: 'ok',
        value: { file: 'f.yaml', value: { a: [1, 'x'], b: { c: true } } },
      });
    }
  });

  test.each([
    [['a'], 1],
    [['list', 1], 4],
    [['list', 1, 'name'], 5],
    [['list', 1, 'none'], 4],
    [['none'], 1],
    [['a', 'below'], 1],
  ])('knows the line of %j', (path, line) => {
    const parsed = parseYaml('a: 1\nlist:\n  - x\n  - kind: y\n    name: z\n', 'f.yaml');
    expect(parsed.kind === 'ok' && parsed.value.lineOf(path)).toBe(line);
  });

  test.each<[string, string, RegExp]>([
    ['a key given twice', 'a: 1\nb: 2\na: 3', /^f\.yaml:3: expected YAML \(.*"a" twice/],
    ['a key given twice below', 'x:\n  - a: 1\n    a: 2', /^f\.yaml:3: .*"a" twice/],
    ['a bracket left open', 'a: [1', /^f\.yaml:1: expected YAML/],
    ['a tab for indentation', 'a:\n\tb: 1', /^f\.yaml:2: expected YAML/],
    ['an alias of nothing', 'a: *b', /Unresolved alias .*: b/],
    ['more characters than the limit', 'x'.repeat(YAML_BYTES_MAX + 1), /found 1048577 characters/],
    ['lists 2,000 deep', `${'['.repeat(2000)}${']'.repeat(2000)}`, /^f\.yaml:1: expected YAML/],
  ])('tells %s', (_, text, message) => {
    expect(problemsOf(text)[0]).toMatch(message);
  });

  test('expands the aliases that people write, and no bomb', () => {
    const few = `a: &a [1]\nb: [${Array(50).fill('*a').join(', ')}]`;
    expect(problemsOf(few)).toEqual([]);
    const levels = Array.from({ length: 9 }, (_, level) => {
      const items = Array(9).fill(level === 0 ? 'x' : `*a${level - 1}`);
      return `a${level}: &a${level} [${items.join(', ')}]`;
    });
    expect(problemsOf(levels.join('\n'))).toEqual([expect.stringMatching(/at most 64 alias/)]);
  });

  test('reads a map of very many keys', () => {
    const text = Array.from({ length: 20_000 }, (_, index) => `key${index}: ${index}`).join('\n');
    const parsed = parseYaml(text, 'f.yaml');
    expect(parsed.kind === 'ok' && Object.keys(parsed.value.value as object)).toHaveLength(20_000);
  });

  test('tells 64 problems of a file, and how many more there are', () => {
    const text = Array(100).fill('a: 1').join('\n');
    const problems = problemsOf(text);
    expect(problems).toHaveLength(65);
    expect(problems.at(-1)).toBe('f.yaml: expected at most 64 problems; 35 more are not told');
  });
});

describe('parseWith', () => {
  const schema = z.strictObject({
    name: z.string(),
    mode: z.enum(['fast', 'slow']).default('fast'),
    sizes: z.array(z.number().max(8)).default([]),
  });

  function check(text: string): unknown {
    const yaml = parseYaml(text, 'f.yaml');
    if (yaml.kind === 'problems') return yaml;
    const parsed = parseWith(schema, yaml.value);
    return parsed.kind === 'ok' ? parsed.value : parsed.problems.map(formatProblem);
  }

  test('gives the value with its defaults', () => {
    expect(check('name: a')).toEqual({ name: 'a', mode: 'fast', sizes: [] });
  });

  test.each<[string, string[]]>([
    ['mode: slow', ['f.yaml:1: name: expected string']],
    [
      'name: 5\nmode: quick',
      [
        'f.yaml:1: name: found 5, expected string',
        'f.yaml:2: mode: found "quick", expected one of fast, slow',
      ],
    ],
    ['name: a\nsizes:\n  - 1\n  - 9', ['f.yaml:4: sizes.1: found 9, expected <=8']],
    ['name: a\nmoed: slow', ['f.yaml:2: moed: expected no such field']],
    ['- a', ['f.yaml:1: found ["a"], expected object']],
  ])('tells every problem of %j with line, field, value and expectation', (text, expected) => {
    expect(check(text)).toEqual(expected);
  });

  test('cuts a long value', () => {
    const [problem] = check(`name: [${'"x", '.repeat(500)}]`) as string[];
    expect(problem).toMatch(/^f\.yaml:1: name: found \["x".{110,120}\.\.\., expected string$/);
  });

  test('tells at most 64 problems of a list', () => {
    const problems = check(`name: a\nsizes: [${Array(1000).fill('x').join(', ')}]`) as string[];
    expect(problems).toHaveLength(65);
    expect(problems.at(-1)).toMatch(/936 more are not told/);
  });
});
