import sharp, { type Sharp } from 'sharp';

/** Red, green / blue, white: tells every turn, mirroring and swap of channels. */
const QUARTERS = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [255, 255, 255],
] as const;

/** A picture of four coloured quarters, as sharp holds it before encoding. */
export function quarters(width: number, height: number): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const quarter = (y * 2 < height ? 0 : 2) + (x * 2 < width ? 0 : 1);
      data.set(QUARTERS[quarter]!, (y * width + x) * 3);
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** A JPEG that says it is turned: EXIF orientation 1 to 8. */
export function turnedJpeg(width: number, height: number, orientation: number): Promise<Buffer> {
  return quarters(width, height).withMetadata({ orientation }).jpeg().toBuffer();
}

/** A JPEG whose frame header says another size than its data has. */
export async function lyingJpeg(width: number, height: number): Promise<Buffer> {
  const bytes = await quarters(64, 64).jpeg().toBuffer();
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(height, frame + 5);
  bytes.writeUInt16BE(width, frame + 7);
  return bytes;
}

/** A PNG's signature and header with no pixel after it but the name of their chunk. */
export function pngHeader(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(8 + 25 + 12);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  bytes.writeUInt32BE(13, 8);
  bytes.write('IHDR', 12);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.set([8, 2, 0, 0, 0], 24);
  bytes.write('IDAT', 8 + 25 + 4);
  return bytes;
}

/** An extended WebP's header with the canvas it claims and nothing on it. */
export function webpHeader(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(30);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(22, 4);
  bytes.write('WEBPVP8X', 8);
  bytes.writeUInt32LE(10, 16);
  bytes.writeUIntLE(width - 1, 24, 3);
  bytes.writeUIntLE(height - 1, 27, 3);
  return bytes;
}
