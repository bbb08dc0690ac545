import { type Speech, speak } from '../../fixtures/speech.ts';
import { RATE_HZ } from './sounds.ts';

const WHO = [
  'the gardener',
  'a customer',
  'my uncle',
  'the nurse',
  'this engine',
  'every student',
  'the mayor',
  'one of them',
  'the pilot',
  'somebody upstairs',
  'the orchestra',
  'a stranger',
  'our cousin',
  'the plumber',
  'the committee',
  'the commuter',
].sort();
const DOES = [
  'borrowed',
  'described',
  'noticed',
  'ordered',
  'ignored',
  'measured',
  'remembered',
  'delivered',
  'photographed',
  'computed',
  'completed',
  'wanted',
  'examined',
  'collected',
  'decorated',
  'translated',
  'understood',
  'planted',
];
const WHAT = [
  'seven tomatoes',
  'a wooden ladder',
  'the evening paper',
  'some old photographs',
  'the bus timetable',
  'a leather suitcase',
  'the ceiling lamp',
  'fourteen pages',
  'the river bank',
  'a birthday present',
  'the recipe for soup',
  'an empty bottle',
  'the scooter',
  'a map of the mountains',
  'the wedding dress',
  'plenty of butter',
  'the insurance papers',
  'his guitar',
  'the back door',
];
const WHEN = [
  'on tuesday',
  'after the thunderstorm',
  'in the waiting room',
  'during the holidays',
  'at a quarter past nine',
  'with a smile',
  'under the bridge',
  'for no good reason',
  'in september',
  'together with the neighbours',
  'near the harbour',
  'as soon as possible',
  'until midnight',
  'behind the library',
  'more than twice',
  'instead of sleeping',
  'in the future',
  'with the new router',
];
const AND = ['and then', 'because', 'although', 'while', 'so', 'but'];
const VOICES = [
  'en-us',
  'en-gb',
  'en-gb-scotland',
  'en-gb-x-rp',
  'en-029',
  'en-us+f1',
  'en-us+f4',
  'en-gb+f2',
  'en-us+m2',
  'en-gb+m5',
  'en-us+Annie',
  'en-gb+Linda',
  'en-us+Michael',
  'en-gb-x-gbclan+f5',
  'en-gb-x-gbcwmd+m7',
  'en-us+klatt2',
];

/** Voices that the wake word was not trained on: none is in scripts/train/wake_speech.py. */
const UNHEARD_VARIANTS = [
  'Alex',
  'antonio',
  'aunty',
  'edward2',
  'Gene2',
  'gustave',
  'announcer',
  'iven',
  'john',
  'marcelo',
  'max',
  'michel',
  'miguel',
  'Mr',
  'Nguyen',
  'klatt5',
  'klatt6',
  'AnxiousAndy',
  'whisperf',
];
const UNHEARD_VOICES = ['en-us', 'en-gb', 'en-gb-x-rp', 'en-gb-scotland'].flatMap((language) =>
  UNHEARD_VARIANTS.map((variant) => `${language}+${variant}`),
);
/** What sounds like the wake word, none of it trained on. */
const NEAR = [
  'recruiter',
  'commutator',
  'polluter',
  'contemporary',
  'jupiter',
  'disputer',
  'a cuter one',
  'looter',
  'computes it',
  'compute her',
  'come pick her up',
  'compact',
  'commander',
  'customer',
  'compare her',
  'confuse her',
  'compulsory',
  'composed',
  'reputable',
  'the puma',
  'competes',
];

/** Who speaks, and whether a word that sounds like the wake word is in every sentence. */
export type Talk = 'heard voices' | 'unheard voices' | 'unheard voices, near words';

/** A sentence of ordinary words; none of them is the wake word. */
export function sentence(random: () => number): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? '';
  const clause = () => [pick(WHO), pick(DOES), pick(WHAT), pick(WHEN)].join(' ');
  return random() < 0.4 ? `${clause()} ${pick(AND)} ${clause()}` : clause();
}

/** A sentence with something in it that sounds like the wake word. */
export function nearSentence(random: () => number): string {
  const words = sentence(random).split(' ');
  const near = NEAR[Math.floor(random() * NEAR.length)] ?? '';
  return words.toSpliced(Math.floor(random() * (words.length + 1)), 0, near).join(' ');
}

/** Generated speech of at least so many seconds, one sentence an item. */
export function chatter(
  seconds: number,
  random: () => number,
  talk: Talk = 'heard voices',
): Int16Array[] {
  const voices = talk === 'heard voices' ? VOICES : UNHEARD_VOICES;
  const said: Int16Array[] = [];
  for (let length = 0; length < seconds * RATE_HZ; ) {
    const speech: Speech = {
      text: talk.endsWith('near words') ? nearSentence(random) : sentence(random),
      voice: voices[Math.floor(random() * voices.length)] ?? 'en-us',
      speed: 120 + Math.floor(random() * 90),
      pitch: 15 + Math.floor(random() * 70),
    };
    const samples = speak(speech);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0.01);
    const gain = (0.08 + 0.6 * random()) / peak;
    said.push(Int16Array.from(samples, (sample) => Math.round(sample * gain * 32_767)));
    length += samples.length;
  }
  return said;
}
