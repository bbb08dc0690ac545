import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { compilePass } from '../../../src/compress/pass.ts';
import { prune } from '../../../src/compress/passes/prune.ts';
import { openForRuns } from '../../../src/compress/run-model.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { readModelFile } from '../../../src/onnx/model-file.ts';

/** Debian's own, which has PyTorch. */
const PYTHON = '/usr/bin/python3';
const script = fileURLToPath(new URL('../../fixtures/prune_hand_off.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ledge-prune-'));
afterAll(() => rmSync(folder, { recursive: true }));

function python(step: string): void {
  const { status, stderr } = spawnSync(PYTHON, [script, step, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

const torch = spawnSync(PYTHON, ['-c', 'import torch']).status === 0;
if (!torch) console.warn(`SKIPPED: ${PYTHON} has no PyTorch; the hand-off of prune is not tested`);

test.runIf(torch)(
  'a state cut by prune.json gives what the pruned model gives',
  async () => {
    python('export');
    const { model } = await readModelFile(join(folder, 'model.onnx'));
    const apply = compilePass(prune, prune.schema.parse({ importance: 'l2', parameters: 0.5 }));
    const { model: smaller, files, report } = await apply(model, { samples: [], folder });
    expect(report.done).toMatchObject({
      'groups of channels found': 24,
      'groups of ffn found': 12,
    });
    writeFileSync(join(folder, 'prune.json'), files.get('prune.json')!);
    python('run');
    const bytes = readFileSync(join(folder, 'y.bin'));
    const wanted = new Float32Array(new Uint8Array(bytes).buffer);
    const file = join(folder, 'smaller.onnx');
    writeFileSync(file, encodeModel(smaller));
    await using running = await openForRuns(file, smaller.graph!);
    const x = Float32Array.from({ length: 192 }, (_, at) => at / 96 - 1);
    const [y] = await running.run([{ shape: [1, 3, 8, 8], buffer: x.buffer, byteOffset: 0 }]);
    const largest = Math.max(...wanted.map(Math.abs));
    expect(largest).toBeGreaterThan(0.1);
    for (const [at, value] of wanted.entries()) {
      expect(Math.abs(Number(y!.data[at]) - value)).toBeLessThan(largest * 1e-5);
    }
  },
  120_000,
);
