import { readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { findFlow, loadOrFail, openWorkbench } from '../../../src/cli/flow-folder.ts';
import { entityField } from '../../../src/flow/entity.ts';
import { componentsOf } from '../../../src/integrations/homeassistant/component.ts';
import { entitiesOf } from '../../../src/integrations/homeassistant/default-entities.ts';
import {
  deviceDiscovery,
  nodeDiscovery,
} from '../../../src/integrations/homeassistant/discovery.ts';
import type { FlowShape } from '../../../src/integrations/homeassistant/flow-view.ts';
import {
  identifierOf,
  identityOf,
  objectIdOf,
} from '../../../src/integrations/homeassistant/identity.ts';
import { readConfig } from '../../../src/integrations/homeassistant/read-config.ts';
import { configSchema } from '../../../src/node/config.ts';
import { closeLoaded } from '../../../src/node/flow-load.ts';
import { shapeOf } from '../../../src/node/open-home-assistant.ts';
import { packagePath } from '../../../src/std/package.ts';
import { CONFIG_TOPIC, deviceRule } from '../../harness/home-assistant-rules.ts';

const context = {
  node: 'test',
  base: 'ledge/test',
  version: '1.2.3',
  prefix: 'homeassistant',
  area: 'Hall',
  thermometer: 'present',
} as const;
const names = await readdir(packagePath('flows'));

function shape(fields: Partial<FlowShape>): FlowShape {
  return {
    ...{ entities: undefined, of: 'values', labels: undefined, pictures: false },
    ...{ results: 'ledge/test/f/{device}', events: 'in/{device}', encoding: 'json' },
    ...fields,
  };
}

describe('discovery', () => {
  test.each(names)(
    'flow %s is what Home Assistant accepts, with something to show',
    async (name) => {
      const config = configSchema.parse({ flows: packagePath('flows') });
      const workbench = await openWorkbench(config);
      const loaded = await loadOrFail(await findFlow(name, config), workbench);
      const found = deviceDiscovery(
        context,
        { name, shape: shapeOf(loaded, context.base) },
        'a b"c',
      );
      await closeLoaded(loaded);
      await workbench[Symbol.asyncDispose]();
      expect(found?.topic).toMatch(CONFIG_TOPIC);
      const parsed = deviceRule.parse(JSON.parse(found?.payload ?? ''));
      expect(Object.keys(parsed.components).length).toBeGreaterThan(1);
    },
  );

  test('of the node is what Home Assistant accepts', () => {
    const rest = { running: true, kind: 'flow', devices: [], shape: undefined } as const;
    const flows = names.map((name) => ({ name, ...rest }));
    const { topic, payload } = nodeDiscovery(context, flows);
    expect(topic).toMatch(CONFIG_TOPIC);
    const { components } = deviceRule.parse(JSON.parse(payload));
    const hidden = { entity_category: 'diagnostic', enabled_by_default: false };
    expect(components.temperature).toMatchObject(hidden);
    expect(components.stepped_down).toMatchObject({ ...hidden, unit_of_measurement: 'rungs' });
  });

  test.each([
    ['classification', ['label', 'score', 'event', 'latency']],
    ['activity', ['active', 'score', 'latency']],
    ['anomaly', ['score', 'problem', 'latency']],
    ['detections', ['objects', 'picture', 'latency']],
    ['regions', ['regions', 'picture', 'latency']],
  ])('of a %s result is accepted, with its entities', (of, keys) => {
    const one = shape({ of, labels: ['on', "it's", '_silence_'], pictures: true });
    const found = deviceDiscovery(context, { name: 'f', shape: one }, 'd');
    const { components } = deviceRule.parse(JSON.parse(found?.payload ?? ''));
    expect(Object.keys(components)).toEqual(keys);
  });

  test.each(['values', 'merged'])('of %s alone shows nothing', (of) => {
    expect(deviceDiscovery(context, { name: 'f', shape: shape({ of }) }, 'd')).toBeUndefined();
  });

  test('every platform that can be declared is accepted', () => {
    const command = { topic: 'x/{device}', payload: '{"a": "{device}"}' };
    const entities = entityField.parse([
      { platform: 'sensor', name: 'S', value: 'a.b[0]', unit: 'W', deviceClass: 'power' },
      { platform: 'binary_sensor', name: 'B', value: 'v', on: "it's" },
      { platform: 'event', name: 'E', value: 'label', eventTypes: ['a'] },
      { platform: 'image', name: 'I' },
      { platform: 'camera', name: 'C', image: 'cam/{device}' },
      { platform: 'update', name: 'U', value: 'have', latest: 'there', command },
      { platform: 'button', name: 'P', command, category: 'config' },
      { platform: 'switch', name: 'W', value: 'v', command },
      { platform: 'select', name: 'L', value: 'v', options: ['a', 'b'], command },
    ]);
    const found = deviceDiscovery(context, { name: 'f', shape: shape({ entities }) }, 'd"1');
    const { components } = deviceRule.parse(JSON.parse(found?.payload ?? ''));
    expect(Object.keys(components)).toHaveLength(10);
    expect(components.p).toMatchObject({ command_topic: 'x/d"1', payload_press: '{"a": "d\\"1"}' });
  });

  test.each([
    [{ platform: 'sensor', name: 'S' }, 'value'],
    [{ platform: 'button', name: 'P' }, 'command'],
    [{ platform: 'select', name: 'L', command: { topic: 'x' } }, 'options'],
    [{ platform: 'sensor', name: 'S', value: 'a', category: 'config' }, 'category'],
    [{ platform: 'sensor', name: 'S', value: 'a }}{{ b' }, 'value'],
  ])('a declaration that cannot work is refused: %j', (entity, field) => {
    const { error } = entityField.safeParse([entity]);
    expect(JSON.stringify(error?.issues)).toContain(field);
  });

  test('entities of one name get keys of their own', () => {
    const entities = entityField.parse([
      { platform: 'sensor', name: 'Same', value: 'a' },
      { platform: 'sensor', name: 'same!', value: 'b' },
    ]);
    const place = {
      ...{ base: 'ledge/n', node: 'n', flow: 'f', device: 'd', objectId: 'o', stateTopic: 's' },
      ...{ resultTopic: 'r', eventTopic: 'e', labels: undefined },
    };
    expect(Object.keys(componentsOf(entities ?? [], place))).toEqual(['same', 'same_2']);
  });

  test('a flow that writes msgpack has no event, for that needs the result itself', () => {
    const one = shape({ of: 'classification', labels: ['on'], encoding: 'msgpack' });
    expect(entitiesOf(one).map(({ platform }) => platform)).not.toContain('event');
  });
});

describe('an identity', () => {
  test.each([[{ node: 'n' }], [{ node: 'n', flow: 'f', device: 'd:1 x"' }]])(
    '%j is read back from its identifier',
    (identity) => {
      expect(identityOf(identifierOf(identity))).toEqual(identity);
    },
  );

  test('ids differ where names only look the same', () => {
    const ids = [
      objectIdOf({ node: 'a_b', flow: 'c', device: 'd' }),
      objectIdOf({ node: 'a', flow: 'b_c', device: 'd' }),
      objectIdOf({ node: 'a', flow: 'b', device: 'c d' }),
      objectIdOf({ node: 'a', flow: 'b', device: 'c.d' }),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(ids.every((id) => /^[a-z0-9_]+$/.test(id))).toBe(true);
  });

  test.each([
    '',
    '{',
    '[]',
    '{"origin":{"name":"other"}}',
    JSON.stringify({
      device: { identifiers: ['ledge:n'] },
      origin: { name: 'zigbee' },
      components: {},
    }),
  ])('is not read from what is not ours: %s', (payload) => {
    expect(readConfig(payload)).toBeUndefined();
  });
});
