import { isSpoken, phraseOf } from '../intents.ts';
import type { VoiceFlow, WyomingConfig } from './options.ts';

/** A wake word may not be known before its flow has said one: then this is what our own model hears. */
const WAKE_WORDS_DEFAULT = ['computer'];

/** Answers `describe`: what can be asked of this node now, by which of its flows run. */
export function describeServices(
  config: WyomingConfig,
  version: string,
  flowOf: (name: string) => VoiceFlow | undefined,
): Readonly<Record<string, unknown>> {
  const { languages } = config;
  const artifact = { attribution: { name: 'Ledge', url: '' }, installed: true, version };
  const program = (description: string, models: readonly object[]) => [
    { ...artifact, name: 'ledge', description, models },
  ];
  const command = flowOf(config.commandFlow);
  const wake = flowOf(config.wakeFlow);
  const rules = Object.entries(config.intents ?? {});
  const meaning = (name: string, kept: typeof rules) =>
    kept.length === 0
      ? []
      : program(`Closed vocabulary: ${kept.map(([text]) => text).join(', ')}`, [
          { ...artifact, name, description: 'Spoken commands of this node', languages },
        ]);
  const words = spokenLabels(command?.labels);
  const vocabulary =
    words.length === 0
      ? 'Closed vocabulary: only the words of its model, no free speech'
      : `Closed vocabulary: only these ${words.length} words, no free speech: ${words.join(', ')}`;
  const wakeWords = wake?.labels === undefined ? WAKE_WORDS_DEFAULT : spokenLabels(wake.labels);
  return {
    asr:
      command === undefined
        ? []
        : program(vocabulary, [
            { ...artifact, name: config.commandFlow, description: vocabulary, languages },
          ]).map((one) => ({ ...one, supports_transcript_streaming: false })),
    tts: [],
    wake:
      wake === undefined
        ? []
        : program(
            'Wake words of this node',
            wakeWords.map((name) => ({
              ...artifact,
              name,
              description: phraseOf(name),
              phrase: phraseOf(name),
              languages,
            })),
          ),
    intent: meaning(
      'ledge-intent',
      rules.filter(([, rule]) => rule.intent !== undefined),
    ),
    handle: meaning(
      'ledge-handle',
      rules.filter(([, rule]) => rule.intent === undefined),
    ).map((one) => ({ ...one, supports_handled_streaming: false })),
    mic: [],
    snd: [],
  };
}

/** Labels that somebody can say: those with underscores around them mean silence and anything else. */
export function spokenLabels(labels: readonly string[] | undefined): readonly string[] {
  return (labels ?? []).filter(isSpoken);
}
