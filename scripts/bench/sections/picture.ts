import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { Bench } from '../bench.ts';
import { createNoise } from '../models.ts';
import { createRow, type Row } from '../row.ts';
import { median } from '../statistics.ts';

/** Five megapixels, as cameras have them. */
const WIDTH = 2592;
const HEIGHT = 1944;
const QUALITY = 85;
const TIMES = 20;
const TARGET = 1.1;
const PROGRAM = fileURLToPath(new URL('../picture.ts', import.meta.url));

/** A 5-megapixel JPEG to a float tensor of 224 x 224, against sharp's shrink-on-load alone. */
export async function measurePicture(bench: Bench): Promise<readonly Row[]> {
  mkdirSync(bench.folder, { recursive: true });
  const file = join(bench.folder, 'picture.jpg');
  await writePicture(file);
  const reference = await startDecoder('sharp', file);
  const ledge = await startDecoder('ledge', file);
  const references: number[] = [];
  const times: number[] = [];
  try {
    await reference.measure(3);
    await ledge.measure(3);
    for (let round = 1; round <= bench.rounds; round += 1) {
      references.push(await reference.measure(TIMES));
      times.push(await ledge.measure(TIMES));
      const [theirs, ours] = [references.at(-1)!, times.at(-1)!].map((ms) => ms.toFixed(1));
      bench.say(`picture, round ${round} of ${bench.rounds}: sharp ${theirs} ms, ledge ${ours} ms`);
    }
  } finally {
    reference.stop();
    ledge.stop();
  }
  return [
    createRow({
      name: 'picture: 5-megapixel JPEG to tensor, of sharp alone',
      unit: 'ms',
      ledge: median(times),
      reference: median(references),
      judged: 'ratio <=',
      target: TARGET,
      note: `generated JPEG, ${WIDTH} x ${HEIGHT}; sharp: shrink-on-load to 224 x 224 pixels`,
    }),
  ];
}

/** Waves, blocks and grain: as hard to decode as a photograph of a textured surface. */
async function writePicture(file: string): Promise<void> {
  const next = createNoise(7);
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let row = 0, at = 0; row < HEIGHT; row += 1) {
    for (let column = 0; column < WIDTH; column += 1, at += 3) {
      const wave = Math.sin(column / 41 + Math.cos(row / 67) * 3) * 50;
      const block = ((column >> 7) + (row >> 6)) % 2 === 0 ? 30 : -30;
      const grain = (next() - 0.5) * 24;
      const light = 128 + wave + block + grain;
      pixels[at] = light;
      pixels[at + 1] = light * 0.9 + row / 80;
      pixels[at + 2] = light * 0.7 + column / 60;
    }
  }
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const;
  await sharp(pixels, { raw }).jpeg({ quality: QUALITY }).toFile(file);
}

async function startDecoder(mode: 'sharp' | 'ledge', file: string) {
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, mode, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error(`The ${mode} decoder ended early`);
    return line.value;
  };
  await nextLine();
  return {
    async measure(count: number): Promise<number> {
      child.stdin.write(`${count}\n`);
      return Number(await nextLine());
    },
    stop: () => child.stdin.end(),
  };
}
