import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { defineStage } from '../../src/flow/stage.ts';
import { createStages } from '../../src/stages/stages.ts';
import { z } from '../../src/std/schema.ts';

const FOLDER = fileURLToPath(new URL('../../src/stages/', import.meta.url));

const predict = defineStage({
  kind: 'predict',
  phase: 'infer',
  summary: 'Stands where a pool would give one.',
  schema: z.strictObject({}),
  create: () => {
    throw new Error('not used');
  },
});

/** The kinds that files of the phases' folders define, by folder. */
function written(): Map<string, string> {
  const kinds = new Map<string, string>();
  for (const path of readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })) {
    const [phase = '', file] = path.split('/');
    if (file === undefined) continue;
    const source = readFileSync(`${FOLDER}${path}`, 'utf8');
    const [, kind] = /defineStage[^(]*\(\{\s*kind: '([^']+)'/.exec(source) ?? [];
    if (kind === undefined) continue;
    expect(`${kind}.ts`).toBe(file);
    kinds.set(kind, phase);
  }
  return kinds;
}

test('every stage that is written is in the registry, under the phase of its folder', () => {
  const registered = [...createStages({ predict })].map(([kind, { phase }]) => [kind, phase]);
  expect(Object.fromEntries(registered)).toEqual(Object.fromEntries(written()));
});

test('the registry knows the stage of the models it is given', () => {
  expect(createStages({ predict }).get('predict')).toBe(predict);
});
