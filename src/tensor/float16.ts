const bits = new DataView(new ArrayBuffer(4));

/** The 16 bits nearest to a number, ties to even; too large ones become infinite (IEEE 754). */
export function toFloat16Bits(value: number): number {
  bits.setFloat32(0, value);
  const whole = bits.getUint32(0);
  const sign = (whole >>> 16) & 0x8000;
  const magnitude = whole & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477f_f000) return sign | 0x7c00; // rounds to 65,520 and above
  if (magnitude < 0x3880_0000) return sign | Math.min(0x400, tinyBits(magnitude));
  const rebased = magnitude - 0x3800_0000; // the exponent counts from 15, no longer from 127
  return sign | roundShift(rebased, 13);
}

/** Below the least normal number, 2^-14: counted in steps of 2^-24. */
function tinyBits(magnitude: number): number {
  const exponent = magnitude >>> 23;
  const shift = 126 - exponent;
  return shift > 24 ? 0 : roundShift((magnitude & 0x7f_ffff) | 0x80_0000, shift);
}

function roundShift(value: number, shift: number): number {
  const half = 2 ** (shift - 1);
  const kept = Math.floor(value / 2 ** shift);
  const rest = value - kept * 2 ** shift;
  return rest > half || (rest === half && kept % 2 === 1) ? kept + 1 : kept;
}

/** The number that 16 bits stand for. */
export function fromFloat16Bits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
