import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { configSchema } from '../../src/node/config.ts';
import { packagePath } from '../../src/std/package.ts';
import { parseWith, parseYaml } from '../../src/std/yaml.ts';
import { DEFAULT_LIMITS } from '../../src/store/outbox-class.ts';

const URL = 'mqtt://hub.example';

function problemsOf(uplink: object): string[] {
  const parsed = configSchema.safeParse({ uplink: { url: URL, ...uplink } });
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'));
}

test('the example of docs/uplink.md can be used as it stands', () => {
  const page = readFileSync(packagePath('docs/uplink.md'), 'utf8');
  const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const yaml = parseYaml(example, 'docs/uplink.md');
  if (yaml.kind === 'problems') throw new Error('the example is no YAML');
  const config = parseWith(configSchema, yaml.value);
  if (config.kind === 'problems') throw new Error(JSON.stringify(config.problems));
  expect(config.value.uplink?.up.map((route) => route.class)).toEqual([
    'alarm',
    'state',
    'telemetry',
  ]);
});

test('a URL is enough, and the classes have their limits', () => {
  const { uplink } = configSchema.parse({ uplink: { url: URL } });
  expect(uplink?.classes).toEqual(DEFAULT_LIMITS);
  expect(uplink).toMatchObject({ protocol: 'auto', up: [], down: [], replayPerSecond: 500 });
});

test('without a field there is no uplink', () => {
  expect(configSchema.parse({}).uplink).toBeUndefined();
});

describe('refused is', () => {
  const cases = [
    { field: 'url', uplink: { url: 'http://hub.example' } },
    { field: 'up.0.filter', uplink: { up: [{ filter: 'a/#/b' }] } },
    { field: 'up.0.filter', uplink: { up: [{ filter: 'a/#', prefix: { local: 'b/' } }] } },
    { field: 'down.0.filter', uplink: { down: [{ filter: 'a/#', prefix: { remote: 'b/' } }] } },
    { field: 'up.1.filter', uplink: { up: [{ filter: 'a/#' }, { filter: 'a/#' }] } },
    { field: 'up.0.qos', uplink: { up: [{ filter: 'a', qos: 2 }] } },
    { field: 'up.0.class', uplink: { up: [{ filter: 'a', class: 'urgent' }] } },
    { field: 'statusTopic', uplink: { statusTopic: 'a/+' } },
    { field: 'classes.alarm.overflow', uplink: { classes: { alarm: { overflow: 'keep' } } } },
  ];

  test.each(cases)('$uplink, at $field', ({ field, uplink }) => {
    expect(problemsOf(uplink)).toEqual([`uplink.${field}`]);
  });
});
