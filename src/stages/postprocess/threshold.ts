import { defineStage, emit, FieldError, HOLD, type Outcome, type Step } from '../../flow/stage.ts';
import type { Value } from '../../flow/value.ts';
import { z } from '../../std/schema.ts';
import { compileScoreReader, scoreFields } from './score-reader.ts';
import { roundScore } from './scores.ts';

const schema = z.strictObject({
  score: z.number().describe('From this score on the state is active.'),
  release: z
    .number()
    .optional()
    .describe('Hysteresis: once active, it stays so down to this score; default `score`.'),
  emit: z
    .enum(['passing', 'onset', 'state', 'changes'])
    .default('passing')
    .describe(
      'passing: the value itself while active, dropped otherwise; onset: the value itself once, as the state begins; state: {active, score} each time; changes: {active, score} when it changes, and first.',
    ),
  ...scoreFields,
});

type Config = z.infer<typeof schema>;

const snapshotSchema = z.strictObject({ active: z.boolean() });

/** Whether a score is high enough, with hysteresis. */
export const threshold = defineStage({
  kind: 'threshold',
  phase: 'postprocess',
  summary: 'Lets values pass from a score on, or tells when a state begins and ends.',
  schema,
  create(config, { input }) {
    const { score, release = score, emit: mode } = config;
    if (release > score) throw new FieldError('release', release, `at most \`score\`, ${score}`);
    const read = compileScoreReader(input, config);
    const stateless = (mode === 'passing' || mode === 'state') && release === score;
    return {
      output: mode === 'passing' || mode === 'onset' ? input : { kind: 'result', of: 'activity' },
      scope: stateless ? 'shared' : 'device',
      open: () => openThreshold(read, { ...config, release }),
    };
  },
});

function openThreshold(
  read: (value: Value) => number,
  { score: on, release, emit: mode }: Config & { readonly release: number },
): Step {
  let active: boolean | undefined;

  function run(value: Value): Outcome {
    const score = read(value);
    const before = active;
    active = score >= (before === true ? release : on);
    if (mode === 'passing') return active ? emit(value) : { kind: 'drop', reason: 'filtered' };
    if (mode === 'onset') return active && before !== true ? emit(value) : HOLD;
    if (mode === 'changes' && active === before) return HOLD;
    return emit({ kind: 'result', result: { active, score: roundScore(score) } });
  }

  return {
    run,
    snapshot: () => (active === undefined ? undefined : { active }),
    restore: (state) => {
      active = snapshotSchema.parse(state).active;
    },
  };
}
