import { connect } from 'mqtt';
import * as runtime from 'onnxruntime-node';
import type { PeerSettings } from './peer.ts';

// A peer: the script that one would write with mqtt.js and onnxruntime-node. Settings in argv[2].
const settings = JSON.parse(process.argv[2] ?? '') as PeerSettings;
const session = await runtime.InferenceSession.create(settings.model, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
const client = connect(settings.url, { protocolVersion: settings.protocol });
const { qos } = settings;

client.on('connect', () => {
  const { stream } = client as unknown as { stream: { setNoDelay(on: boolean): void } };
  stream.setNoDelay(true);
  client.subscribe(settings.events, { qos }, () => process.stdout.write('{"ready":true}\n'));
});

client.on('message', async (topic, payload, packet) => {
  const from = payload.byteOffset;
  const floats = new Float32Array(payload.buffer.slice(from, from + payload.byteLength));
  const tensor = new runtime.Tensor('float32', floats, [1, ...settings.shape]);
  const { [settings.output]: logits } = await session.run({ [settings.input]: tensor });
  const result = JSON.stringify(best(logits!.data as Float32Array));
  const device = topic.slice(topic.lastIndexOf('/') + 1);
  const correlationData = packet.properties?.correlationData;
  const properties = correlationData === undefined ? {} : { properties: { correlationData } };
  client.publish(`${settings.results}${device}`, result, { qos, ...properties });
});

function best(logits: Float32Array): { label: number; score: number } {
  const most = Math.max(...logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return { label: logits.indexOf(most), score: 1 / sum };
}
