import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { packagePath } from '../../../src/std/package.ts';
import { fourNumbers, tinyFlow, writeFlow, writeFlows } from '../../harness/flows.ts';
import { type HomeAssistant, startHomeAssistant } from '../../harness/home-assistant.ts';
import { type Mosquitto, startMosquitto } from '../../harness/mosquitto.ts';
import { connectTest } from '../../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../../harness/node.ts';
import { hasTool } from '../../harness/tools.ts';

const SETTINGS = ['--set', 'homeassistant.stateIntervalMs=0'];

describe('the default flows in Home Assistant', () => {
  let node: RunningNode;
  let home: HomeAssistant;
  const sample = (flow: string, name: string) =>
    readFile(packagePath(`flows/${flow}/samples/${name}`));

  beforeAll(async () => {
    const flows = packagePath('flows');
    node = await startNode({ flows, args: SETTINGS });
    home = await startHomeAssistant(node.ready.mqtt);
  });

  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  test('the node has a switch for each flow, on where it runs', async () => {
    for (const { name } of node.ready.flows) {
      const id = `switch.test_flow_${name.replaceAll('-', '_')}`;
      await home.until(`${id} is on`, () => home.entity(id)?.state === 'on');
    }
    expect(home.entity('sensor.test_queue')?.config).toMatchObject({ enabled_by_default: false });
  });

  test('a word gives a label, an event and, where asked for, a score', async () => {
    const label = 'sensor.test_keyword_spotting_kitchen_label';
    await home.client.publishAsync(
      'ledge/in/voice/kitchen',
      await sample('keyword-spotting', 'yes.wav'),
    );
    await home.until('the word is shown', () => home.entity(label)?.state === 'yes');
    const event = home.entity('event.test_keyword_spotting_kitchen_event');
    expect(event?.config.event_types).toEqual(expect.arrayContaining(['yes', 'no', 'stop']));
    expect(event?.config.event_types).not.toContain('_silence_');
    await home.enable('sensor.test_keyword_spotting_kitchen_score');
    await home.client.publishAsync(
      'ledge/in/voice/kitchen',
      await sample('keyword-spotting', 'no.wav'),
    );
    await home.until('the event', () =>
      Boolean(home.entity('event.test_keyword_spotting_kitchen_event')?.events.includes('no')),
    );
    await home.until(
      'the score',
      () => Number(home.entity('sensor.test_keyword_spotting_kitchen_score')?.state) > 0.5,
    );
  });

  test('a tile with a crack is a problem of its class, with its picture', async () => {
    const picture = await sample('surface-inspection', 'crack.jpg');
    await home.client.publishAsync('ledge/in/camera/belt', picture);
    const id = (platform: string, key: string) => `${platform}.test_surface_inspection_belt_${key}`;
    await home.until('a problem', () => home.entity(id('binary_sensor', 'defect'))?.state === 'on');
    await home.until('its class', () => home.entity(id('sensor', 'class'))?.state === 'crack');
    await home.client.publishAsync('ledge/in/camera/belt', picture);
    await home.until(
      'its picture',
      () => home.entity(id('image', 'picture'))?.state === `${picture.length} bytes`,
    );
  });

  test('a machine gets a score, and a problem once it is not normal', async () => {
    const id = (platform: string, key: string) => `${platform}.test_machine_anomaly_pump_${key}`;
    for (const name of ['pump-1-normal.jsonl', 'pump-2-faults.jsonl']) {
      const lines = (await sample('machine-anomaly', name)).toString().trim().split('\n');
      for (const line of lines) {
        await home.client.publishAsync('ledge/in/sensor/pump', line, { qos: 1 });
      }
    }
    await home.until(
      'a problem',
      () => home.entity(id('binary_sensor', 'anomaly'))?.state === 'on',
    );
    await home.until('what it is', () => home.entity(id('sensor', 'cause'))?.state === 'pressure');
    expect(Number(home.entity(id('sensor', 'anomaly_score'))?.state)).toBeGreaterThan(2);
    await home.act(id('button', 'learn_again'), 'press');
    await using client = await connectTest(node.ready.mqtt, ['ledge/test/bridge/response/#']);
    await home.act(id('button', 'learn_again'), 'press');
    const { json } = await client.next(({ topic }) => topic.endsWith('/flow/relearn'));
    expect(json).toMatchObject({ status: 'ok', data: { name: 'machine-anomaly' } });
  });

  test('a restart of Home Assistant brings everything back, states included', async () => {
    const before = home.entities.filter(({ config }) => config.platform !== 'event');
    await home.restart();
    for (const { id, state, config } of before) {
      if (config.platform === 'image') continue;
      // The pump's records are still being worked off: its states move on.
      const fits = (now: string | undefined) =>
        id.includes('_pump_') && state !== 'unknown' && state !== 'unavailable'
          ? now !== undefined && now !== 'unknown' && now !== 'unavailable'
          : now === state;
      await home.until(`${id} is ${state}`, () => fits(home.entity(id)?.state));
    }
  });

  test('a switch turns a flow off, and its devices are unavailable', async () => {
    const flow = 'switch.test_flow_surface_inspection';
    const defect = 'binary_sensor.test_surface_inspection_belt_defect';
    await home.act(flow, 'off');
    await home.until('unavailable', () => home.entity(defect)?.state === 'unavailable');
    await home.until('off', () => home.entity(flow)?.state === 'off');
    await home.act(flow, 'on');
    await home.until('back', () => home.entity(defect)?.state === 'on');
  });

  test('no message of all these was refused, and there are no ghosts', () => {
    expect({ problems: home.problems, ghosts: home.ghosts }).toEqual({ problems: [], ghosts: [] });
  });
});

describe('what goes', () => {
  const LABEL = 'sensor.test_tiny_desk_label';

  async function open(
    more = '',
  ): Promise<{ node: RunningNode; home: HomeAssistant; flows: string }> {
    const flows = await writeFlows({ tiny: tinyFlow({ more }) });
    const node = await startNode({ flows, args: SETTINGS });
    const home = await startHomeAssistant(node.ready.mqtt);
    onTestFinished(async () => {
      await home[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
      await rm(flows, { recursive: true, force: true });
    });
    await home.until('the node', () => home.entity('switch.test_flow_tiny')?.state === 'on');
    await home.client.publishAsync('in/desk', fourNumbers(1, 2, 3, 4), { qos: 1 });
    return { node, home, flows };
  }

  test('a flow that is removed takes its devices and its switch along', async () => {
    const { node, home, flows } = await open();
    await home.until('a label', () => home.entity(LABEL)?.state !== undefined);
    await rm(join(flows, 'tiny'), { recursive: true });
    await home.until('gone', () => home.entity(LABEL) === undefined);
    await home.until('its switch', () => home.entity('switch.test_flow_tiny') === undefined);
    await using late = await connectTest(node.ready.mqtt, ['ledge/test/bridge/#']);
    await late.next(({ topic }) => topic.endsWith('/bridge/flows'));
    expect(late.received.map(({ topic }) => topic)).not.toContain(
      'ledge/test/bridge/homeassistant/state/tiny/desk',
    );
    expect(home).toMatchObject({ ghosts: [], problems: [] });
  });

  test('an entity that the flow declares no more is removed from its device', async () => {
    const entity = (names: readonly string[]) =>
      `entity:\n${names.map((name) => `  - { platform: sensor, name: ${name}, value: label }\n`).join('')}`;
    const { home, flows } = await open(entity(['One', 'Two']));
    const id = (name: string) => `sensor.test_tiny_desk_${name}`;
    await home.until('both', () => Boolean(home.entity(id('one')) && home.entity(id('two'))));
    await writeFlow(flows, 'tiny', tinyFlow({ more: entity(['One']) }));
    await home.until('one is left', () => home.entity(id('two')) === undefined);
    expect(home.entity(id('one'))?.state).toMatch(/left|right/);
    expect(home).toMatchObject({ ghosts: [], problems: [] });
  });

  test('a flow whose file is refused keeps its devices', async () => {
    const { node, home, flows } = await open();
    await home.until('a label', () => /left|right/.test(home.entity(LABEL)?.state ?? ''));
    await using client = await connectTest(node.ready.mqtt, ['ledge/test/bridge/event']);
    await writeFile(join(flows, 'tiny', 'flow.yaml'), 'steps: 3');
    await client.next(({ json }) => json.type === 'flow-refused');
    await home.client.publishAsync('homeassistant/status', 'online');
    const before = home.discoveries.length;
    await home.until('told again', () => home.discoveries.length > before + 1);
    expect(home.entity(LABEL)?.state).toMatch(/left|right/);
  });

  test('a device that a person deletes comes back with its next result', async () => {
    const { home } = await open();
    await home.until('a label', () => home.entity(LABEL) !== undefined);
    const topic = home.discoveries.find((name) => name.includes('_desk_')) ?? '';
    await home.client.publishAsync(topic, '', { retain: true, qos: 1 });
    await home.until('gone', () => home.entity(LABEL) === undefined);
    await home.client.publishAsync('in/desk', fourNumbers(1, 2, 3, 4), { qos: 1 });
    await home.until('back', () => /left|right/.test(home.entity(LABEL)?.state ?? ''));
  });
});

describe.skipIf(!hasTool('mosquitto'))(
  'on a broker of the house (skipped without mosquitto)',
  () => {
    let broker: Mosquitto;
    let flows: string;

    beforeAll(async () => {
      broker = await startMosquitto();
      flows = await writeFlows({ tiny: tinyFlow() });
    });

    afterAll(async () => {
      await broker.remove();
      await rm(flows, { recursive: true });
    });

    test('a killed node is unavailable; back again it changes nothing; renamed, the old one goes', async () => {
      const data = await temporaryFolder();
      onTestFinished(() => rm(data, { recursive: true, force: true }));
      const args = ['--broker', broker.url, ...SETTINGS];
      const first = await startNode({ flows, data, args });
      await using home = await startHomeAssistant(broker.url);
      const label = 'sensor.test_tiny_desk_label';
      await home.until('the node', () => home.entity('switch.test_flow_tiny')?.state === 'on');
      await home.client.publishAsync('in/desk', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await home.until('a label', () => /left|right/.test(home.entity(label)?.state ?? ''));

      first.process.kill('SIGKILL');
      await home.until('unavailable', () => home.entity(label)?.state === 'unavailable');
      const told = home.discoveries.length;
      const second = await startNode({ flows, data, args });
      await home.until('available', () => /left|right/.test(home.entity(label)?.state ?? ''));
      await home.client.publishAsync('in/other', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await home.until('another', () => home.entity('sensor.test_tiny_other_label') !== undefined);
      // Only the new device: what had not changed was not published again.
      expect(home.discoveries.slice(told).every((name) => name.includes('_other_'))).toBe(true);
      await second.stop();

      const foreign = 'homeassistant/device/other/config';
      const body = { device: { identifiers: ['x'] }, origin: { name: 'x' }, components: {} };
      await home.client.publishAsync(foreign, JSON.stringify(body), { retain: true });
      const renamed = ['--node', 'new-name', '--set', 'homeassistant.formerNames=[test]'];
      await using third = await startNode({ flows, data, args: [...args, ...renamed] });
      await home.until('the old is gone', () =>
        home.entities.every(({ id }) => !/\.test_/.test(id)),
      );
      await home.until(
        'the new is there',
        () => home.entity('switch.new_name_flow_tiny')?.state === 'on',
      );
      await using late = await connectTest(broker.url, [
        'homeassistant/#',
        'ledge/new-name/bridge/state',
      ]);
      await late.next(({ topic }) => topic.endsWith('/bridge/state'));
      const topics = late.received.map(({ topic }) => topic);
      expect(topics).toContain(foreign);
      expect(topics.filter((topic) => topic.includes('ledge_test'))).toEqual([]);
      expect(third.log.filter(({ level }) => level === 'error')).toEqual([]);
      expect(home.problems).toEqual([]);
    });

    test('a broker that forgot everything is told again', async () => {
      await using node = await startNode({ flows, args: ['--broker', broker.url, ...SETTINGS] });
      const home = await startHomeAssistant(broker.url);
      onTestFinished(() => home[Symbol.asyncDispose]());
      const label = 'sensor.test_tiny_desk_label';
      await home.client.publishAsync('in/desk', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await home.until('a label', () => /left|right/.test(home.entity(label)?.state ?? ''));
      await broker.stop();
      await broker.start();
      await using fresh = await startHomeAssistant(broker.url);
      await fresh.until('a label', () => /left|right/.test(fresh.entity(label)?.state ?? ''));
      expect(node.log.filter(({ level }) => level === 'error')).toEqual([]);
    });
  },
);
