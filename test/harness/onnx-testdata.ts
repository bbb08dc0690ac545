import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Where Debian's libonnx-testdata was unpacked: this variable names the folder. */
const VARIABLE = 'LEDGE_ONNX_TESTDATA';

/** Every model of Debian's libonnx-testdata; none, said aloud, where it is not there. */
export function onnxTestdata(): readonly string[] {
  const folder = process.env[VARIABLE];
  if (folder === undefined || !existsSync(folder)) {
    console.warn(`SKIPPED: ${VARIABLE} names no folder; libonnx-testdata's models are not read`);
    return [];
  }
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const models = names.filter((name) => name.endsWith('.onnx'));
  // The package has links from other folders to the same files.
  return [...new Set(models.map((name) => realpathSync(join(folder, name))))].sort();
}
