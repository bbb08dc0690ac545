import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DISTILGPT2 } from '../../compress/language-model.ts';
import { type DecodeProcess, startDecodeProgram } from './decode-process.ts';

const SCRIPT = fileURLToPath(new URL('../peers/pytorch.py', import.meta.url));
/** Debian's, for which its own packages are. */
const PYTHON = '/usr/bin/python3';
/** Any other is not in this build, or does nothing. */
const ENGINES = ['qnnpack', 'onednn', 'fbgemm'];

/** PyTorch's kernels for quantised products that are here; why there are none. */
export function pytorchEngines(): readonly string[] | string {
  try {
    const ask = 'import torch; print(*torch.backends.quantized.supported_engines)';
    const told = execFileSync(PYTHON, ['-c', ask], { encoding: 'utf8', stdio: 'pipe' });
    return told.split(/\s+/).filter((one) => ENGINES.includes(one));
  } catch {
    return `${PYTHON} has no torch (Debian: python3-torch)`;
  }
}

/** The guide's recipe on DistilGPT-2's shape; the engine `fp32` leaves it as it is. */
export function startPytorch(engine: string, threads: number): Promise<DecodeProcess> {
  const settings = { engine, threads, shape: DISTILGPT2 };
  return startDecodeProgram([PYTHON, SCRIPT, JSON.stringify(settings)], '');
}
