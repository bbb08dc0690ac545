import type { OpenTarget } from './target.ts';

/** What runs inside a child, loaded when it is asked for. */
export const TARGETS: ReadonlyMap<string, OpenTarget> = new Map<string, OpenTarget>([
  ['onnx', async () => (await import('./onnx-target.ts')).openOnnxTarget()],
  ['parsers', async () => (await import('./parsers-target.ts')).openParsersTarget()],
  ['packets', async () => (await import('./packets-target.ts')).openPacketsTarget()],
]);
