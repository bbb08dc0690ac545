import { writeFile } from 'node:fs/promises';
import { encodeModel } from '../onnx/graph.ts';
import { readModelFile } from '../onnx/model-file.ts';
import { findHead, type TaughtRow, withFeatures, withTaughtRows } from './head.ts';

/**
 * Writes a classifier that gives its features beside its scores; gives the name of its scores. Throws
 * `unsupported` where its last layer is not found.
 */
export async function writeWithFeatures(
  file: string,
  to: string,
  labels: number,
): Promise<{ readonly scores: string }> {
  const { model, originals } = await readModelFile(file);
  const head = findHead(model, labels);
  await writeFile(to, encodeModel(withFeatures(model, head), originals));
  return { scores: head.output };
}

/** The bytes of a classifier with further labels. Throws `unsupported`. */
export async function encodeTaught(
  file: string,
  labels: number,
  rows: readonly TaughtRow[],
): Promise<Uint8Array> {
  const { model, originals } = await readModelFile(file);
  return encodeModel(withTaughtRows(model, findHead(model, labels), rows), originals);
}
