import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { decodeFlac } from '../../../src/evaluate/decode-flac.ts';
import { createRandom } from '../../fixtures/rendered-tile.ts';

/** An event, and who or what it comes from: nobody is both taught and judged by. */
export interface TeachEvent {
  readonly source: string;
  readonly payload: Uint8Array;
}

/** Labels that a model was never trained on, each with its events. */
export interface TeachSet {
  readonly name: string;
  readonly flow: string;
  readonly labels: ReadonlyMap<string, readonly TeachEvent[]>;
  /** Whether events of a source are for teaching. */
  readonly teaches: (source: string) => boolean;
}

/** Of each speaker and digit. */
const CLIPS_EACH = 20;
const TEACHING_SPEAKERS = new Set(['jackson', 'lucas']);
/** Tiles that defects are drawn on. */
const TILES = 80;

/** Spoken digits: two speakers teach, two others judge. None of them was trained on. */
export async function digitSet(voice: string): Promise<TeachSet> {
  const root = join(voice, 'spoken-digits');
  const files = await filesBelow(root, '.flac');
  const clips = files
    .map((file) => ({ file, parts: basename(file, '.flac').split('_') }))
    .filter(({ parts }) => Number(parts[2]) < CLIPS_EACH);
  const decoded = await decodeFlac(
    clips.map(({ file }) => file),
    root,
  );
  const labels = new Map<string, TeachEvent[]>();
  for (const { file, parts } of clips) {
    const [digit = '', source = ''] = parts;
    const event = { source, payload: await decoded.read(decoded.wavOf(file)) };
    labels.set(digit, [...(labels.get(digit) ?? []), event]);
  }
  const teaches = (source: string) => TEACHING_SPEAKERS.has(source);
  return { name: 'spoken digits', flow: 'keyword-spotting', labels, teaches };
}

/** Defects of two kinds that no tile has, drawn on good tiles: odd tiles teach, even ones judge. */
export async function drawnDefectSet(tiles: string): Promise<TeachSet> {
  const files = await filesBelow(join(tiles, 'free'), '.jpg');
  const labels = new Map<string, TeachEvent[]>([
    ['stain', []],
    ['scratch', []],
  ]);
  for (const [at, file] of files.slice(0, TILES).entries()) {
    for (const [label, events] of labels) {
      events.push({ source: String(at), payload: await drawOn(file, label, at + 1) });
    }
  }
  const teaches = (source: string) => Number(source) % 2 === 1;
  return { name: 'drawn defects', flow: 'surface-inspection', labels, teaches };
}

/** A dark soft spot, or a long bright line, somewhere on a picture. */
async function drawOn(file: string, label: string, seed: number): Promise<Uint8Array> {
  const random = createRandom(seed * 7919 + label.length);
  const { data, info } = await sharp(file).grayscale().raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const side = Math.min(width, height);
  const [x, y] = [width * (0.25 + 0.5 * random()), height * (0.25 + 0.5 * random())];
  const shade =
    label === 'stain'
      ? stain({ x, y, size: side * (0.08 + 0.08 * random()), random })
      : scratch({ x, y, size: side * (0.5 + 0.3 * random()), random });
  const drawn = data.map((value, at) => {
    const factor = shade(at % width, Math.floor(at / width));
    return Math.min(255, Math.round(value * factor));
  });
  return sharp(drawn, { raw: { width, height, channels: 1 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

interface Drawing {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly random: () => number;
}

/** Brightness factor of a pixel. */
type Shade = (x: number, y: number) => number;

function stain({ x, y, size, random }: Drawing): Shade {
  const spots = Array.from({ length: 5 }, () => ({
    x: x + (random() - 0.5) * size,
    y: y + (random() - 0.5) * size,
    radius: size * (0.4 + 0.5 * random()),
  }));
  return (px, py) => {
    const depth = spots.reduce((most, spot) => {
      const far = Math.hypot(px - spot.x, py - spot.y) / spot.radius;
      return Math.max(most, 1 / (1 + Math.exp(8 * (far - 1))));
    }, 0);
    return 1 - 0.4 * depth;
  };
}

function scratch({ x, y, size, random }: Drawing): Shade {
  const angle = (random() - 0.5) * Math.PI;
  const [along, across] = [Math.cos(angle), Math.sin(angle)];
  const bend = (random() - 0.5) * 0.4;
  const width = 0.8 + 0.8 * random();
  return (px, py) => {
    const at = (px - x) * along + (py - y) * across;
    if (Math.abs(at) > size / 2) return 1;
    const off = (py - y) * along - (px - x) * across - (bend * at * at) / size;
    return 1 + 0.6 * Math.exp(-((off / width) ** 2));
  };
}

async function filesBelow(root: string, end: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(end))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
