import { expect, test } from 'vitest';
import { text } from '../../../src/stages/decode/text.ts';
import { describeStage } from '../../conformance/stage.ts';
import { runStage } from '../../harness/run-stage.ts';

const bytes = (content: string | number[]) => ({
  kind: 'bytes' as const,
  bytes: typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content),
});

describeStage({
  stage: text,
  cases: [
    {
      title: 'words',
      config: {},
      input: { kind: 'bytes' },
      values: [bytes(' Licht an '), bytes('')],
    },
  ],
  wrongInputs: [{ kind: 'text' }, { kind: 'image' }],
});

test.each([
  ['trims', {}, bytes(' ein Käfer\n'), 'ein Käfer'],
  ['keeps white space where told', { trim: false }, bytes(' a '), ' a '],
])('text %s', async (_, config, value, expected) => {
  const outcomes = await runStage(text, { config, input: { kind: 'bytes' } }, [value]);
  expect(outcomes).toEqual([{ kind: 'emit', value: { kind: 'text', text: expected } }]);
});

test.each([
  ['bytes that are not UTF-8', {}, bytes([0xc3, 0x28]), 'payload-invalid'],
  ['more bytes than allowed', { payloadBytesMax: 2 }, bytes('abc'), 'payload-too-large'],
  ['more characters than allowed', { charactersMax: 2 }, bytes('abc'), 'payload-too-large'],
])('text refuses %s', async (_, config, value, code) => {
  const run = runStage(text, { config, input: { kind: 'bytes' } }, [value]);
  await expect(run).rejects.toMatchObject({ code });
});
