import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import type { Size } from '../../src/image/fit.ts';
import { type ResizePlan, resizeImage } from '../../src/image/resize.ts';

/** Pixels of a tile's side as the surface model takes it. */
const SIDE = 224;

interface TileRow {
  readonly file: string;
  readonly label: string;
  readonly width: number;
  readonly height: number;
}

/** The mask beside a tile, at the model's size: 255 where the tile is bad. [SIDE, SIDE] */
async function maskOf(path: string): Promise<Uint8Array> {
  const image = sharp(await readFile(path))
    .toColourspace('b-w')
    .resize(SIDE, SIDE, { fit: 'fill', kernel: 'linear' });
  return new Uint8Array(await image.raw().toBuffer());
}

/** The tile as the flow's `resize` stage gives it. [SIDE, SIDE] */
async function pixelsOf(path: string, size: Size): Promise<Uint8Array> {
  const plan: ResizePlan = {
    width: SIDE,
    height: SIDE,
    mode: 'squash',
    colour: 'grey',
    kernel: 'lanczos3',
    padding: [0, 0, 0],
    flaws: 'refuse',
  };
  return resizeImage({ ...size, bytes: await readFile(path) }, plan);
}

/**
 * Writes every tile of <data>/<class>/*.jpg and its mask at the model's size into one folder, by
 * the node's own decoder: `tiles.bin` and `masks.bin` (uint8 [tile, SIDE, SIDE]) and `tiles.json`.
 */
async function writeTileCache(data: string, out: string): Promise<void> {
  const rows: TileRow[] = [];
  const tiles: Uint8Array[] = [];
  const masks: Uint8Array[] = [];
  for (const label of (await readdir(data)).sort()) {
    for (const name of (await readdir(join(data, label))).sort()) {
      if (!name.endsWith('.jpg')) continue;
      const path = join(data, label, name);
      const { width, height } = await sharp(path).metadata();
      rows.push({ file: name, label, width, height });
      tiles.push(await pixelsOf(path, { width, height }));
      masks.push(await maskOf(path.replace(/\.jpg$/, '.png')));
    }
  }
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'tiles.bin'), Buffer.concat(tiles));
  await writeFile(join(out, 'masks.bin'), Buffer.concat(masks));
  await writeFile(join(out, 'tiles.json'), `${JSON.stringify({ side: SIDE, rows })}\n`);
}

const { values } = parseArgs({ options: { data: { type: 'string' }, out: { type: 'string' } } });
await writeTileCache(values.data ?? '', values.out ?? '');
