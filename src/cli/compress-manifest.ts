import { basename } from 'node:path';
import { precisionOf } from '../compress/precision.ts';
import type { CompressReport } from '../compress/report.ts';
import { MODEL_FILE } from '../compress/run.ts';
import type { LoadedModel } from '../models/store.ts';
import { FREE } from '../tensor/tensor.ts';

/** The manifest of a compressed model: JSON, which is YAML. What was measured of the old one is left out. */
export function compressedManifest(
  { identity, summary, labels, manifest }: LoadedModel,
  report: CompressReport,
  data: string | undefined,
): string {
  const plain = (shape: readonly number[]) => shape.map((size) => (size === FREE ? 'N' : size));
  const ends = (specs: LoadedModel['summary']['inputs']) =>
    specs.map(({ name, type, shape }) => ({ name, type, shape: plain(shape) }));
  const sha256 = report.files.find(({ name }) => name === MODEL_FILE)?.sha256;
  const stated = {
    name: identity.name,
    version: `${identity.version}+${report.recipe.replace(/[^a-zA-Z0-9.]+/g, '-')}`,
    file: MODEL_FILE,
    sha256,
    precision: precisionOf(report.passes),
    inputs: ends(manifest?.inputs ?? summary.inputs),
    outputs: ends(manifest?.outputs ?? summary.outputs),
    ...(labels && { labels }),
    ...(manifest?.licence && { licence: manifest.licence }),
    origin: `${identity.name} ${identity.version}, compressed by the recipe ${report.recipe}`,
    ...accuracyOf(report, data),
  };
  return `${JSON.stringify(stated, null, 2)}\n`;
}

function accuracyOf({ accuracy }: CompressReport, data: string | undefined): object {
  if (accuracy?.source !== 'data' || data === undefined) return {};
  const { metric, after, count } = accuracy;
  return { accuracy: [{ metric, value: after.value, data: basename(data), count }] };
}
