import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/free-port.ts';
import { ledge } from '../harness/cli.ts';
import { tinyFlow, writeFlows } from '../harness/flows.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { installNodeRed, installPacked, type NodeRed, startNodeRed } from '../harness/node-red.ts';
import { type MqttProxy, startProxy } from '../harness/proxy.ts';
import { hasTool } from '../harness/tools.ts';
import { openEditor } from './nodered-editor.ts';
import { onNode, page } from './nodered-flows.ts';

const install = await installNodeRed();
const why = install.kind === 'ready' ? '' : ` (skipped: ${install.reason})`;

const PACKAGE = 'node-red-contrib-ledge';
const PASSWORD = 'as long as it takes';

/** What a page answers: the message that came out of the node. */
interface Answer {
  readonly payload?: unknown;
  readonly typed?: { readonly kind: string; readonly numbers: readonly number[] };
  readonly ledge?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: string; readonly message: string; readonly reason?: string };
}

describe.skipIf(install.kind !== 'ready')(
  `node-red-contrib-ledge in a real Node-RED 4${why}`,
  () => {
    let flows: string;
    let data: string;
    let port: number;
    let node: RunningNode;
    let proxy: MqttProxy;
    let mosquitto: Mosquitto | undefined;
    let outside: RunningNode | undefined;
    let red: NodeRed;
    let packed: readonly string[];

    const startOwn = () =>
      startNode({
        flows,
        data,
        args: ['--port', String(port), '--set', 'broker.allowAnonymous=true'],
      });

    beforeAll(async () => {
      flows = await writeFlows({
        tiny: tinyFlow(),
        tensor: [
          "source: { topic: 'tensor/{device}' }",
          'steps: [{ float32: { shape: [4] } }, { predict: { model: model.onnx } }, { encode: { as: base64 } }]',
        ].join('\n'),
        seconds: [
          "source: { topic: 'seconds/{device}' }",
          'steps: [{ float32: { shape: [-1], sampleRateHz: 4 } }, { window: { seconds: 1 } }, { encode: {} }]',
        ].join('\n'),
        waiting: [
          "source: { topic: 'waiting/{device}' }",
          'steps:',
          '  - float32: { shape: [-1], sampleRateHz: 4 }',
          '  - window: { seconds: 60, flush: stream }',
          '  - encode: {}',
        ].join('\n'),
        choosy: tinyFlow({ topic: 'choosy/{device}', more: '  - threshold: { score: 1.5 }' }),
        hurried: tinyFlow({ topic: 'hurried/{device}', source: 'deadlineMs: 0.0001' }),
        told: tinyFlow({ topic: 'told/{device}', more: "sink: { topic: 'elsewhere/{device}' }" }),
      });
      data = await temporaryFolder();
      const secret = join(data, 'password');
      await writeFile(secret, PASSWORD);
      const words = ['user', 'add', 'red', '--password-file', secret, '--data', data];
      expect(await ledge(words)).toMatchObject({ code: 0 });
      port = await freePort();
      node = await startOwn();
      proxy = await startProxy(port, 'code 0x84');
      if (hasTool('mosquitto')) {
        mosquitto = await startMosquitto();
        outside = await startNode({ flows, args: ['--broker', mosquitto.url] });
      }
      if (install.kind !== 'ready') throw new Error(install.reason);
      red = await startNodeRed(install.folder, async (user) => {
        packed = await installPacked('src/integrations/nodered', user);
      });
      await red.deploy([
        ...page({ name: 'own', url: node.ready.mqtt, password: PASSWORD }),
        ...page({ name: 'stranger', url: node.ready.mqtt, password: `${PASSWORD}!` }),
        ...page({ name: 'old', url: proxy.url }),
        ...(mosquitto === undefined ? [] : page({ name: 'mosquitto', url: mosquitto.url })),
      ]);
      await Promise.all([working('own'), working('old')]);
    }, 180_000);

    afterAll(async () => {
      await red?.[Symbol.asyncDispose]();
      await node?.[Symbol.asyncDispose]();
      await outside?.[Symbol.asyncDispose]();
      await proxy?.remove();
      await mosquitto?.remove();
      await rm(data, { recursive: true, force: true });
      await rm(flows, { recursive: true, force: true });
    });

    async function ask(path: string, body: object): Promise<Answer> {
      const response = await fetch(`${red.url}/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return (await response.json()) as Answer;
    }

    const tiny = { flow: 'tiny', device: 'line-1', floats: [1, 2, 3, 4] };

    /** Asks until the page has found its node (again); each answer before that must be an honest error. */
    async function working(name: string): Promise<void> {
      for (;;) {
        const { ledge, error } = await ask(`${name}/event`, { ...tiny, timeout: 2 });
        if (ledge !== undefined) return;
        expect(['offline', 'flow-not-running', 'timeout', 'dropped']).toContain(error?.code);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }

    test('the package holds its nodes, help, icons and examples', () => {
      expect(packed).toEqual(
        expect.arrayContaining([
          'LICENSE',
          'README.md',
          'nodes/ledge-event.js',
          'nodes/ledge-event.html',
          'nodes/icons/ledge-event.svg',
          'resources/fields.js',
          'examples/Command a flow.json',
        ]),
      );
    });

    test.each(['own', 'old'])('an event gives its result (broker: %s)', async (name) => {
      const { payload, ledge } = await ask(`${name}/event`, tiny);
      expect(payload).toMatchObject({ label: expect.stringMatching(/left|right/) });
      expect(ledge).toMatchObject({
        id: expect.any(String),
        flow: 'tiny',
        device: 'line-1',
        source: { topic: 'in/line-1' },
        timing: { totalMs: expect.any(Number) },
      });
    });

    test('user and password are those of the broker: wrong ones stay outside', async () => {
      expect(await red.line('Connection refused: Bad User')).toContain(
        'ledge-broker:stranger-ledge',
      );
      expect((await ask('stranger/event', tiny)).error?.code).toBe('offline');
    });

    test('a broker that refuses MQTT 5 is spoken to in 3.1.1', () => {
      expect(proxy.levels).toContain(5);
      expect(proxy.levels.at(-1)).toBe(4);
    });

    test.each(['own', 'old'])(
      'twenty events at once get each its own result (%s)',
      async (name) => {
        const inputs = Array.from({ length: 20 }, (_, index) => [index, 0, 0, 1]);
        const one = await Promise.all(
          inputs.map((floats) => ask(`${name}/model`, { flow: 'tensor', device: 'd', floats })),
        );
        const again = [];
        for (const floats of inputs) {
          again.push(await ask(`${name}/model`, { flow: 'tensor', device: 'd', floats }));
        }
        const numbers = (answers: readonly Answer[]) => answers.map(({ typed }) => typed?.numbers);
        expect(numbers(one)).toEqual(numbers(again));
        expect(new Set(numbers(one).map(String)).size).toBe(20);
      },
    );

    test.each([
      ['a Float32Array', { floats: [1, 2, 3, 4] }],
      ['a list', { payload: [1, 2, 3, 4] }],
      [
        'lists in lists',
        {
          payload: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
      ['an object with data', { payload: { shape: [4], data: [1, 2, 3, 4] } }],
    ])('the model takes %s and gives a typed array', async (_, fields) => {
      const { payload, typed, ledge } = await ask('own/model', { flow: 'tensor', ...fields });
      expect(payload).toMatchObject({ value: { type: 'float32', shape: [2] } });
      expect(typed).toMatchObject({ kind: 'Float32Array', numbers: { length: 2 } });
      expect(ledge).toMatchObject({ device: 'node-red', model: { precision: 'fp32' } });
    });

    test('an event of several results gives them all where asked to', async () => {
      await using client = await connectTest(node.ready.mqtt, ['each/own']);
      const floats = Array.from({ length: 12 }, (_, index) => index);
      const first = await ask('own/all', { flow: 'seconds', device: 's', floats });
      expect(first.ledge?.id).toMatch(/\.0$/);
      const each = await client.count(3);
      expect(each.map(({ json }) => json.payload)).toEqual([
        { value: [0, 1, 2, 3] },
        { value: [4, 5, 6, 7] },
        { value: [8, 9, 10, 11] },
      ]);
    });

    test.each([
      ['dead letters its event', { ...tiny, floats: [1] }, 'shape-mismatch'],
      ['lets no event of such a score pass', { ...tiny, flow: 'choosy' }, 'dropped'],
      ['drops its event', { ...tiny, flow: 'hurried' }, 'dropped'],
      ['gives no result in time', { ...tiny, flow: 'waiting', timeout: 0.5 }, 'timeout'],
      ['is not there', { ...tiny, flow: 'tinny' }, 'no-flow'],
    ])('a flow that %s is an error on the second output', async (_, body, code) => {
      for (const name of ['own', 'old']) {
        const { error, ledge } = await ask(`${name}/event`, body);
        expect({ name, error, ledge }).toMatchObject({ name, error: { code } });
        expect(ledge).toBeUndefined();
      }
    });

    test('without a wire on the second output an error goes to the catch node', async () => {
      const { error } = await ask('own/caught', { ...tiny, flow: 'waiting', timeout: 0.3 });
      expect(error).toMatchObject({ message: expect.stringContaining('No result within 300 ms') });
    });

    test('ledge in gives results wherever the flow publishes, and reports apart', async () => {
      await using client = await connectTest(node.ready.mqtt, ['seen/own', 'reported/own']);
      await ask('own/event', { ...tiny, flow: 'told', device: 'far' });
      const far = await client.next(({ json }) => json.topic === 'elsewhere/far');
      expect(far.json).toMatchObject({
        payload: { label: expect.any(String) },
        ledge: { flow: 'told', device: 'far' },
      });
      await ask('own/event', { ...tiny, floats: [1] });
      const report = await client.next(({ topic }) => topic === 'reported/own');
      expect(report.json).toMatchObject({
        report: 'dead-letter',
        payload: { flow: 'tiny', error: { code: 'shape-mismatch' } },
      });
    });

    test('ledge control lists, disables and enables, and is told of mistakes', async () => {
      const list = await ask('own/control', { action: 'list' });
      const names = (list.payload as { flows: { name: string }[] }).flows.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['tiny', 'tensor']));
      const health = await ask('own/control', { action: 'health' });
      expect(health.payload).toMatchObject({ flows: { tiny: { received: expect.any(Number) } } });

      await using client = await connectTest(node.ready.mqtt, ['ledge/test/bridge/flows']);
      const until = (state: string) =>
        client.next(({ json }) =>
          JSON.stringify(json).includes(`"name":"told","state":"${state}"`),
        );
      expect((await ask('own/control', { action: 'disable', flow: 'told' })).payload).toEqual({
        name: 'told',
      });
      await until('disabled');
      expect((await ask('own/event', { ...tiny, flow: 'told' })).error?.code).toBe(
        'flow-not-running',
      );
      await ask('own/control', { action: 'enable', flow: 'told' });
      await ask('own/control', { action: 'reload' });
      const wrong = await ask('own/control', { action: 'enable', flow: 'tinny' });
      expect(wrong.error).toMatchObject({
        code: 'refused',
        message: expect.stringContaining('did you mean "tiny"'),
      });
      expect((await ask('own/control', { action: 'explode' })).error?.code).toBe('no-action');
    });

    test('the editor is told the flows of the live node', async () => {
      const response = await fetch(`${red.url}/ledge-broker/own-ledge`);
      expect(await response.json()).toMatchObject({
        online: true,
        protocol: '5',
        state: 'online',
        flows: expect.arrayContaining([expect.objectContaining({ name: 'tiny' })]),
      });
      expect((await fetch(`${red.url}/ledge-broker/nobody`)).status).toBe(404);
    });

    test('a node that is gone is said, and found again after its restart', async () => {
      await node.stop();
      const gone = await ask('own/event', tiny);
      expect(gone.error?.code).toBe('offline');
      await node[Symbol.asyncDispose]();
      node = await startOwn();
      await working('own');
      await using client = await connectTest(node.ready.mqtt, ['seen/own']);
      await Promise.all([
        client.next(({ json }) => (json.ledge as { device?: string }).device === 'back'),
        repeat(() => ask('own/event', { ...tiny, device: 'back' }), client),
      ]);
    });

    /** Node-RED's own `mqtt out` comes back in its own time: events go on until it has. */
    async function repeat(
      act: () => Promise<unknown>,
      client: { readonly received: readonly unknown[] },
    ): Promise<void> {
      while (client.received.length === 0) await act();
    }

    test.skipIf(!hasTool('mosquitto'))(
      'a broker and a node restarted in turn are found again (skipped without mosquitto)',
      async () => {
        if (mosquitto === undefined || outside === undefined) throw new Error('not started');
        await working('mosquitto');
        await mosquitto.stop();
        expect((await ask('mosquitto/event', tiny)).error?.code).toBe('offline');
        await mosquitto.start();
        await working('mosquitto');
        await outside[Symbol.asyncDispose]();
        const gone = await ask('mosquitto/event', { ...tiny, timeout: 0.5 });
        expect(gone.error?.code).toBe('timeout');
        outside = await startNode({ flows, args: ['--broker', mosquitto.url] });
        await working('mosquitto');
      },
    );

    test.skipIf(!hasTool('chromium'))(
      'the editor shows palette, help, icons, dropdown and examples (skipped without chromium)',
      async () => {
        const examples = await red.examples(PACKAGE);
        expect(examples).toHaveLength(4);
        const pages = await Promise.all(examples.map((title) => red.example(PACKAGE, title)));
        await red.deploy(pages.flatMap((example) => onNode(example, node.ready.mqtt)));
        await using editor = await openEditor(red.url);
        for (const type of ['ledge-in', 'ledge-event', 'ledge-model', 'ledge-control']) {
          const name = type.replace('-', ' ');
          expect(await editor.paletteLabel(type)).toBe(name);
          expect(await editor.help(type)).toContain('<h3>Outputs</h3>');
          const icon = await fetch(`${red.url}/icons/${PACKAGE}/${type}.svg`);
          expect(await icon.text()).toContain(`<title>${name}</title>`);
        }
        await editor.press('list');
        expect(await editor.debugged('answer')).toContain('flows');
        expect(await editor.choose('ledge-control', 'tensor')).toBe('tensor');
        await editor.picture(process.env.PICTURES_TO);
        expect(editor.faults).toEqual([]);
      },
    );
  },
);
