"""Generated speech: the wake word in many voices, and chatter that does not hold it."""
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SAMPLE_RATE_HZ = 16000
LANGUAGES = ['en-us', 'en-gb', 'en-gb-scotland', 'en-gb-x-gbclan', 'en-gb-x-rp', 'en-gb-x-gbcwmd',
             'en-029', 'en-us-nyc', 'de', 'fr', 'es', 'it', 'nl', 'sv', 'pl', 'pt', 'hu', 'da']
ENGLISH = LANGUAGES[:8]
VARIANTS = ['', *(f'+f{n}' for n in range(1, 6)), *(f'+m{n}' for n in range(1, 9)), '+klatt',
            '+klatt2', '+klatt3', '+klatt4', '+whisper', '+croak', '+Adam', '+Alicia', '+Andrea',
            '+Andy', '+Annie', '+Belinda', '+Benjamin', '+Boris', '+Caleb', '+David', '+Denis',
            '+Diogo', '+Ed', '+Edward', '+Gene', '+Henrique', '+Hugo', '+Jacky', '+Lee', '+Linda',
            '+Marco', '+Mario', '+Michael', '+Mike', '+Pablo', '+Paul', '+Pedro', '+Quincy', '+Rob',
            '+Robert', '+Steph', '+Steph2', '+Storm', '+Zac', '+anika', '+grandma', '+grandpa',
            '+norbert', '+sandro', '+shelby', '+steph3', '+travis', '+victor']
FLITE = ['awb', 'rms', 'slt', 'kal16']

# Said while nobody means the node, among them what sounds like parts of the word.
NEAR = ['commuter', 'compute', 'computing', 'computation', 'commuters', 'competitor', 'composer',
        'pewter', 'come to her', 'can pewter', 'consumer', 'committee', 'complete', 'companion',
        'compound', 'compare', 'component', 'computed', 'commute', 'commuting', 'can put her',
        'come put her', 'tutor', 'future', 'scooter', 'shooter', 'neuter', 'router', 'peter',
        'repeater', 'comfortable', 'communicate', 'community', 'competing', 'complain', 'compiler',
        'container', 'counter', 'conductor', 'contributor', 'commodore', 'calm tutor', 'puter',
        'suitor', 'moon pooter', 'dumb pewter', 'come here peter', 'company', 'campus', 'camper']
SUBJECTS = ['the neighbour', 'my sister', 'the teacher', 'an old man', 'our doctor', 'she', 'he',
            'they', 'we', 'the children', 'a friend of mine', 'the driver', 'the company', 'nobody',
            'the woman next door', 'the farmer', 'the team', 'the president', 'your brother', 'I']
VERBS = ['bought', 'found', 'lost', 'painted', 'talked about', 'complained about', 'was looking for',
         'forgot', 'repaired', 'never liked', 'wanted to see', 'compared', 'sold', 'opened', 'carried',
         'put away', 'counted', 'dreamt of', 'kept', 'heard of', 'cooked', 'threw out', 'cleaned']
OBJECTS = ['the kitchen table', 'a new bicycle', 'the water bill', 'some fresh bread', 'the garden',
           'a cup of tea', 'the football match', 'two tickets', 'the radio', 'an umbrella', 'the news',
           'the blue car', 'a long letter', 'the windows', 'the weather', 'a box of apples', 'the piano',
           'a pair of shoes', 'the dishes', 'the meeting', 'potatoes', 'the cupboard', 'the train']
ENDS = ['yesterday', 'in the morning', 'before dinner', 'on the way home', 'last summer', 'again',
        'without saying a word', 'at the station', 'because it was raining', 'for the third time',
        'while the music was playing', 'and came back later', 'but not on sunday', 'after the film',
        'in the middle of the night', 'with great care', 'as usual', 'I suppose', 'you know']


def say_espeak(text, voice, speed, pitch):
    command = ['espeak-ng', '-v', voice, '-s', str(speed), '-p', str(pitch), '--stdout', text]
    wav = subprocess.run(command, capture_output=True).stdout
    return resample(wav)


def say_flite(text, voice):
    command = ['flite', '-voice', voice, '-t', text, '-o', '/dev/stdout']
    return resample(subprocess.run(command, capture_output=True).stdout)


def resample(wav):
    """A WAV of any rate as int16 at 16 kHz; empty where there is none."""
    command = ['ffmpeg', '-v', 'error', '-f', 'wav', '-i', '-', '-ac', '1', '-ar', '16000', '-f',
               's16le', '-']
    return np.frombuffer(subprocess.run(command, input=wav, capture_output=True).stdout, np.int16)


def random_voice(rng, languages=LANGUAGES, variants=VARIANTS):
    return rng.choice(languages) + rng.choice(variants), rng.randint(110, 230), rng.randint(5, 95)


def sentence(rng):
    """One sentence of ordinary words; every third holds something that sounds like the word."""
    parts = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS), rng.choice(ENDS)]
    if rng.random() < 0.35:
        parts.insert(rng.randint(0, len(parts)), rng.choice(NEAR))
    return ' '.join(parts)


def say_all(jobs):
    """Runs (function, arguments) pairs two at a time; drops what a voice could not say."""
    with ThreadPoolExecutor(2) as pool:
        said = pool.map(lambda job: job[0](*job[1]), jobs)
        return [sound for sound in said if len(sound) > SAMPLE_RATE_HZ // 5]


def words(word, count, seed):
    """The word in random voices."""
    rng = random.Random(seed)
    jobs = [(say_espeak, (word, *random_voice(rng, ENGLISH if rng.random() < 0.7 else LANGUAGES)))
            for _ in range(count)]
    return say_all(jobs + [(say_flite, (word, voice)) for voice in FLITE])


def chatter(count, seed, voices=VARIANTS):
    """Sentences without the word, in random voices."""
    rng = random.Random(seed)
    jobs = []
    for _ in range(count):
        text = sentence(rng)
        if rng.random() < 0.3:
            jobs.append((say_flite, (text, rng.choice(FLITE))))
        else:
            jobs.append((say_espeak, (text, *random_voice(rng, ENGLISH, voices))))
    return say_all(jobs)


def near_words(count, seed):
    """What sounds like the word, said alone."""
    rng = random.Random(seed)
    return say_all([(say_espeak, (rng.choice(NEAR), *random_voice(rng, ENGLISH))) for _ in range(count)])


def cached(path, make):
    """Sounds of different lengths in one file."""
    path = Path(path)
    if not path.exists():
        sounds = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, all=np.concatenate(sounds), ends=np.cumsum([len(s) for s in sounds]))
    kept = np.load(path)
    return np.split(kept['all'], kept['ends'][:-1])
