/** How long a WAV file lasts, by its header; undefined where it is none. Reads no further than it. */
export function wavDurationMs(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 12 || fourCharacters(bytes, 0) !== 'RIFF') return undefined;
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= bytes.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    if (fourCharacters(bytes, at) === 'fmt ' && at + 20 <= bytes.byteLength) {
      bytesPerSecond = view.getUint32(at + 16, true);
    }
    if (fourCharacters(bytes, at) === 'data' && bytesPerSecond > 0) {
      // A recorder that streams writes a length beyond the file.
      return (1000 * Math.min(size, bytes.byteLength - at - 8)) / bytesPerSecond;
    }
    // Chunks begin at even places [RIFF].
    at += 8 + size + (size % 2);
  }
  return undefined;
}

function fourCharacters(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
