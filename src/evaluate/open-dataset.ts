import { rm } from 'node:fs/promises';
import { type Dataset, readDataset } from './dataset.ts';
import { decodeFlac } from './decode-flac.ts';

/** Labelled data whose every event can be read as a flow takes it; to be closed afterwards. */
export interface OpenDataset extends Dataset, AsyncDisposable {}

/** Reads a folder of labelled data, FLAC decoded. Throws `not-found`, `payload-invalid`, `unavailable`. */
export async function openDataset(folder: string, limit?: number): Promise<OpenDataset> {
  const dataset = await readDataset(folder, limit);
  const flac = dataset.events.flatMap(({ file }) => (file?.endsWith('.flac') ? [file] : []));
  if (flac.length === 0) return { ...dataset, [Symbol.asyncDispose]: async () => undefined };
  const decoded = await decodeFlac(flac, folder);
  const events = dataset.events.map((event) => {
    const { file } = event;
    if (!file?.endsWith('.flac')) return event;
    return { ...event, read: () => decoded.read(decoded.wavOf(file)) };
  });
  return {
    ...dataset,
    events,
    [Symbol.asyncDispose]: () => rm(decoded.folder, { recursive: true, force: true }),
  };
}
