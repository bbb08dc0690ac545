import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTable } from '../../../src/cli/table.ts';
import { openDataset } from '../../../src/evaluate/open-dataset.ts';
import { LedgeError } from '../../../src/std/error.ts';
import { EXAMPLES, measureTeach, type TeachRow } from './measure-teach.ts';
import { drawTeachCurve } from './teach-curve.ts';
import { digitSet, drawnDefectSet } from './teach-sets.ts';

export interface TeachEvaluation {
  /** The folder with voice/ and camera/. */
  readonly data: string;
  /** Where the curve is drawn, as SVG. */
  readonly svg?: string;
  show(text: string): void;
}

/** Teaches labels that no model was trained on, from 2 to 20 examples, and judges by other sources. */
export async function evaluateTeach(options: TeachEvaluation): Promise<readonly TeachRow[]> {
  const { data, svg, show } = options;
  const voice = join(data, 'voice');
  const tiles = join(data, 'camera', 'magnetic-tile');
  await readdir(voice).catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot evaluate teaching: no folder ${voice}`, { cause });
  });
  await using words = await openDataset(join(voice, 'speech-commands', 'dev'));
  const heard = await Promise.all(words.events.map((event) => event.read()));
  await using pictures = await openDataset(tiles);
  const seen = await Promise.all(
    pictures.events.filter((_, at) => at % 5 === 0).map((event) => event.read()),
  );
  const rows = [
    ...(await measureTeach(await digitSet(voice), heard)),
    ...(await measureTeach(await drawnDefectSet(tiles), seen)),
  ];
  show(formatTable(rows.map(told)));
  if (svg !== undefined) await writeFile(svg, drawTeachCurve(rows, EXAMPLES));
  return rows;
}

function told(row: TeachRow): Record<string, string> {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return {
    set: row.set,
    examples: String(row.examples),
    recall: `${percent(row.recall)} of ${row.recallCount}`,
    'known taken for it': `${percent(row.taken)} of ${row.takenCount}`,
    'strangers taken for it': `${percent(row.strangers)} of ${row.strangersCount}`,
    'left out': percent(row.foretold),
    ms: row.solveMs.toFixed(1),
  };
}
