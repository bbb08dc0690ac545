import sharp, { type Sharp } from 'sharp';

/** An ellipse of one colour: centre and radii as fractions of the face's size, blurred at its edge. */
interface Patch {
  readonly at: readonly [number, number];
  readonly radii: readonly [number, number];
  readonly colour: readonly [number, number, number];
  readonly soft: number;
}

/** A face as a painter begins it, from back to front. */
const PATCHES: readonly Patch[] = [
  { at: [0, 1.35], radii: [1.3, 0.75], colour: [60, 80, 120], soft: 0.05 }, // shoulders
  { at: [0, 0.75], radii: [0.3, 0.5], colour: [190, 140, 115], soft: 0.1 }, // neck
  { at: [0, -0.2], radii: [0.85, 0.95], colour: [50, 35, 28], soft: 0.05 }, // hair
  { at: [0, 0], radii: [0.68, 0.9], colour: [224, 178, 150], soft: 0.06 }, // face
  { at: [-0.35, 0.25], radii: [0.22, 0.18], colour: [228, 160, 138], soft: 0.9 }, // cheeks
  { at: [0.35, 0.25], radii: [0.22, 0.18], colour: [228, 160, 138], soft: 0.9 },
  { at: [-0.28, -0.27], radii: [0.2, 0.035], colour: [70, 48, 38], soft: 0.4 }, // brows
  { at: [0.28, -0.27], radii: [0.2, 0.035], colour: [70, 48, 38], soft: 0.4 },
  { at: [-0.28, -0.1], radii: [0.16, 0.1], colour: [180, 132, 110], soft: 0.5 }, // eye sockets
  { at: [0.28, -0.1], radii: [0.16, 0.1], colour: [180, 132, 110], soft: 0.5 },
  { at: [-0.28, -0.1], radii: [0.12, 0.06], colour: [240, 238, 232], soft: 0.2 }, // eyes
  { at: [0.28, -0.1], radii: [0.12, 0.06], colour: [240, 238, 232], soft: 0.2 },
  { at: [-0.28, -0.1], radii: [0.06, 0.06], colour: [40, 30, 28], soft: 0.2 }, // pupils
  { at: [0.28, -0.1], radii: [0.06, 0.06], colour: [40, 30, 28], soft: 0.2 },
  { at: [0, 0.12], radii: [0.07, 0.2], colour: [236, 194, 168], soft: 0.8 }, // nose
  { at: [-0.06, 0.26], radii: [0.04, 0.025], colour: [120, 78, 66], soft: 0.5 }, // nostrils
  { at: [0.06, 0.26], radii: [0.04, 0.025], colour: [120, 78, 66], soft: 0.5 },
  { at: [0, 0.5], radii: [0.25, 0.075], colour: [176, 88, 86], soft: 0.3 }, // mouth
  { at: [0, 0.5], radii: [0.22, 0.014], colour: [110, 46, 48], soft: 0.4 },
];

/** A painted face of this half height around a point, all in pixels. */
export interface Portrait {
  readonly width: number;
  readonly height: number;
  readonly face: { readonly x: number; readonly y: number; readonly size: number };
}

/** A picture with one painted face, lit from the left, before it is encoded. */
export function portrait({ width, height, face }: Portrait): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const across = (x - face.x) / face.size;
      const down = (y - face.y) / face.size;
      const light = 1.08 - 0.16 * Math.min(Math.max(across + 0.5, 0), 1);
      const pixel = paint(across, down).map((level) => level * light);
      data.set(
        pixel.map((level) => Math.min(255, Math.round(level))),
        (y * width + x) * 3,
      );
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

function paint(across: number, down: number): readonly number[] {
  let colour: readonly number[] = [150 + 12 * down, 165 + 12 * down, 160];
  for (const { at, radii, colour: ink, soft } of PATCHES) {
    const distance = Math.hypot((across - at[0]) / radii[0], (down - at[1]) / radii[1]);
    const cover = Math.min(Math.max((1 + soft / 2 - distance) / soft, 0), 1);
    colour = colour.map((level, channel) => level + (ink[channel]! - level) * cover);
  }
  return colour;
}
