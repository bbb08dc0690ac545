import { tensorOfRecord } from '../../onnx/constant.ts';
import { asFloat32 } from '../kernels.ts';
import type { Groups } from './groups.ts';

/**
 * The importance of each group by the size of its weights: the mean of their magnitudes (`l1`) or the
 * root of their mean square (`l2`), over that of the same constant as a whole, summed over constants.
 */
export function weightImportance({ all, weights }: Groups, norm: 'l1' | 'l2'): readonly number[] {
  const scores = new Float64Array(all.length);
  const parts = new Float64Array(all.length);
  for (const { reading, axis, groupOf } of weights) {
    const tensor = tensorOfRecord(reading.record);
    const values = tensor && asFloat32(tensor);
    // Vectors are shifts and factors: a shift of zero says nothing about its channel.
    if (values === undefined || reading.record.dims.length < 2) continue;
    const sums = new Float64Array(all.length);
    const counts = new Float64Array(all.length);
    const step = reading.record.dims
      .slice(axis + 1)
      .reduce((product, dim) => product * Number(dim), 1);
    let total = 0;
    for (let at = 0; at < values.length; at += 1) {
      const size = norm === 'l1' ? Math.abs(values[at]!) : values[at]! ** 2;
      total += size;
      const group = groupOf[Math.floor(at / step) % groupOf.length]!;
      if (group < 0) continue;
      sums[group]! += size;
      counts[group]! += 1;
    }
    const mean = total / values.length || 1;
    for (const [group, count] of counts.entries()) {
      if (count === 0) continue;
      const share = sums[group]! / count / mean;
      scores[group]! += norm === 'l1' ? share : Math.sqrt(share);
      parts[group]! += 1;
    }
  }
  return [...scores].map((score, group) => score / Math.max(1, parts[group]!));
}
