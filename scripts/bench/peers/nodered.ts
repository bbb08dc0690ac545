import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { freePort } from '../../free-port.ts';
import { startProgram } from '../program.ts';
import type { PeerSettings, PeerStart } from './peer.ts';

/** Starts the Node-RED that is installed in `folder` with one flow: mqtt in, function, mqtt out. */
export async function startNodeRed(
  folder: string,
  settings: PeerSettings,
  log: string,
): Promise<PeerStart> {
  const entry = join(folder, 'node_modules/node-red/red.js');
  if (!existsSync(entry)) {
    const how = 'npx vitest run test/integrations/nodered.test.ts, or --nodered DIR';
    return { kind: 'absent', reason: `no Node-RED in ${folder} (${how})` };
  }
  const manifest = readFileSync(join(folder, 'node_modules/node-red/package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const user = join(folder, 'user');
  mkdirSync(user, { recursive: true });
  writeFileSync(join(user, 'settings.cjs'), settingsFile(await freePort()));
  writeFileSync(join(user, 'flows.json'), JSON.stringify(flowFile(settings)));
  const program = await startProgram({
    command: process.execPath,
    args: [entry, '--userDir', user, '--settings', join(user, 'settings.cjs'), 'flows.json'],
    log,
    ready: (line) => (line.includes('Connected to broker') ? true : undefined),
  });
  return { kind: 'started', version, program };
}

function settingsFile(port: number): string {
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-node');
  return `module.exports = {
  flowFile: 'flows.json',
  credentialSecret: false,
  uiHost: '127.0.0.1',
  uiPort: ${port},
  logging: { console: { level: 'info', metrics: false, audit: false } },
  // Function nodes live in a context of their own, whose Float32Array the runtime does not know.
  functionGlobalContext: { ort: require(${JSON.stringify(runtime)}), Float32Array },
};
`;
}

function flowFile({ url, protocol, qos, model, ...names }: PeerSettings): readonly object[] {
  const { hostname, port } = new URL(url);
  const broker = {
    id: 'broker',
    type: 'mqtt-broker',
    broker: hostname,
    port,
    clientid: '',
    autoConnect: true,
    usetls: false,
    protocolVersion: String(protocol),
    keepalive: '60',
    cleansession: true,
  };
  const func = {
    id: 'infer',
    type: 'function',
    ...place(2),
    name: 'infer',
    outputs: 1,
    timeout: 0,
    initialize: `
const ort = global.get('ort');
const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
context.set('session', await ort.InferenceSession.create(${JSON.stringify(model)}, options));`,
    func: functionBody(names),
    wires: [['out']],
  };
  const shared = { qos: String(qos), broker: 'broker' };
  const source = { topic: names.events, datatype: 'buffer', nl: false, rap: true, rh: 0 };
  return [
    { id: 'tab', type: 'tab', label: 'bench' },
    broker,
    { id: 'in', type: 'mqtt in', ...place(1), ...shared, ...source, inputs: 0, wires: [['infer']] },
    func,
    { id: 'out', type: 'mqtt out', ...place(3), ...shared, topic: '', retain: 'false', wires: [] },
  ];
}

/** Node-RED takes a node without a place on the page for a configuration. */
function place(column: number): object {
  return { z: 'tab', x: column * 200, y: 100 };
}

function functionBody(names: Pick<PeerSettings, 'input' | 'output' | 'shape' | 'results'>): string {
  return `
const ort = global.get('ort');
const session = context.get('session');
const Floats = global.get('Float32Array');
const bytes = msg.payload;
const from = bytes.byteOffset;
const floats = new Floats(bytes.buffer.slice(from, from + bytes.byteLength));
const tensor = new ort.Tensor('float32', floats, ${JSON.stringify([1, ...names.shape])});
const outputs = await session.run({ ${names.input}: tensor });
const logits = outputs.${names.output}.data;
const most = Math.max(...logits);
let sum = 0;
for (const logit of logits) sum += Math.exp(logit - most);
msg.payload = { label: logits.indexOf(most), score: 1 / sum };
msg.topic = ${JSON.stringify(names.results)} + msg.topic.slice(msg.topic.lastIndexOf('/') + 1);
return msg;`;
}
