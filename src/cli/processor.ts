import { readFile } from 'node:fs/promises';

/** Where Linux tells what the processor can do. */
const CPU_FILE = '/proc/cpuinfo';

/**
 * Whether signed 8-bit products overflow on a processor: x86 without VNNI sums pairs in 16 bits.
 * Another machine's x86 is judged by this one, where that is x86 too; else it is taken to overflow.
 */
export async function overflowsSigned(architecture: string, file = CPU_FILE): Promise<boolean> {
  if (architecture !== 'x64') return false;
  if (process.arch !== 'x64') return true;
  const text = await readFile(file, 'utf8').catch(() => '');
  return !/^flags\s*:.*\b(avx512_vnni|avx_vnni)\b/m.test(text);
}
