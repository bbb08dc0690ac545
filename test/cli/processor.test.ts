import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { overflowsSigned } from '../../src/cli/processor.ts';
import { temporaryFolder } from '../harness/node.ts';

async function cpuInfo(flags: string): Promise<string> {
  const file = join(await temporaryFolder(), 'cpuinfo');
  await writeFile(file, `processor\t: 0\nflags\t\t: fpu ${flags} sse2\n`);
  return file;
}

test.skipIf(process.arch !== 'x64')('x86 overflows but with VNNI of either kind', async () => {
  expect(await overflowsSigned('x64', await cpuInfo('avx2'))).toBe(true);
  expect(await overflowsSigned('x64', await cpuInfo('avx512_vnni'))).toBe(false);
  expect(await overflowsSigned('x64', await cpuInfo('avx_vnni'))).toBe(false);
  expect(await overflowsSigned('x64', join(await temporaryFolder(), 'none'))).toBe(true);
});

test('ARM sums in 32 bits', async () => {
  expect(await overflowsSigned('arm64', await cpuInfo('asimd'))).toBe(false);
});
