"""Words said by espeak-ng in many voices: the ten keywords, and others for `_unknown_`."""
import io
import random
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keyword_data import CLIP_SAMPLES, LABELS, resampled

LANGUAGES = ['en-us', 'en-us', 'en-us-nyc', 'en-gb', 'en-gb-scotland', 'en-gb-x-gbclan', 'en-gb-x-gbcwmd',
             'en-gb-x-rp', 'en-029']
# The voices of the flows' samples stay unheard: m3, f2, f3, f4, Annie, and the languages' plain ones.
VARIANTS = ['f1', 'f5', 'm1', 'm4', 'm6', 'm8', 'klatt', 'klatt3', 'klatt4', 'Adam', 'Alicia', 'Andrea',
            'Andy', 'Belinda', 'Benjamin', 'Boris', 'Caleb', 'David', 'Denis', 'Diogo', 'Ed', 'Edward',
            'Gene', 'Henrique', 'Hugo', 'Jacky', 'Lee', 'Marco', 'Mario', 'Mike', 'Pablo', 'Paul', 'Pedro',
            'Quincy', 'Rob', 'Robert', 'Steph', 'Steph2', 'Zac', 'anika', 'norbert', 'sandro', 'shelby',
            'travis', 'victor']
LEVEL_MIN = 0.01  # of the loudest sample: quieter edges are no part of the word

# No keyword, and nothing said as one is ("know", "write").
OTHERS = '''bed bird cat dog happy house marvin sheila tree wow zero one two three four five six seven eight
    nine backward forward follow learn visual again about after all and any apple arm ask away baby back ball
    bank bear because bell big black blue boat book bottle box boy bread bring brother brown bus but buy call
    can car chair cheese clean clock close coat coffee cold colour come cook cup dark day dear dinner doctor
    don't door dream drink drive drop ear egg end evening eye face family far fast father feet fish five floor
    flower food foot friend fruit full game garden gave girl give glass gold good green grow hair half hand
    hat have head hear help her here high him hold home hope horse hot hour how hungry ice idea inside it
    jump just keep key kitchen knife lamp large last late laugh leave leg let letter life light like line
    listen little live long look lost loud love low lunch make man many map maybe meet milk minute money moon
    more morning mother mouse mouth move music my name near neck need never new next night nose not note now
    number nurse of old one open or orange other out over own page pan paper park part pay pen people picture
    place plane plant plate play please point police poor pull push put queen question quick quiet rain read
    ready red ring river road room round row run sad salt same sand say school sea second see sell send shall
    shape sharp she ship shirt shoe shop short show shut sick side sing sister sit sky sleep slow small smile
    snow so some song soon soup south speak spoon spring stand star start stay step still stone story street
    strong sugar summer sun sure sweet swim table take talk tall tea teach tell ten thank that them then there
    they thin thing think this time tired to today together tomorrow tooth top town train travel try turn
    under us use very voice wait walk wall want warm was wash watch water way we week well went wet what when
    where white who why will wind window winter with woman wood word work world year yellow you young your
    nope yeah yep note nose lift loft rice ride rate ripe light live laughed slept stock step stoop stuff shop
    top stomp goat ghost gold gum got dawn done town drown gown noun cup pup us of often cough soft awful own
    won an in un arm none loan known blow snow toe though yet yell less guess'''.split()


def say(job):
    """A word in -1..1 at 16 kHz without the silence around it; empty where a voice has none."""
    text, voice, speed, pitch = job
    command = ['espeak-ng', '-v', voice, '-s', str(speed), '-p', str(pitch), '--stdout', text]
    bytes_ = subprocess.run(command, capture_output=True, check=False).stdout
    if len(bytes_) < 1000:
        return np.zeros(0, np.float32)
    with wave.open(io.BytesIO(bytes_)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(bytes_[44:], np.int16).astype(np.float32) / 32768
    sound = resampled(samples, rate)
    loud = np.flatnonzero(np.abs(sound) > LEVEL_MIN * max(1e-6, np.abs(sound).max()))
    return sound[loud[0]:loud[-1] + 1] if len(loud) else sound[:0]


def centred(sound, rng):
    """One second with the word somewhere in it, peak 0.1 to 0.8, over a quiet room."""
    sound = sound[:CLIP_SAMPLES]
    start = rng.randint(0, CLIP_SAMPLES - len(sound))
    noise = np.random.default_rng(rng.randint(0, 2**31)).standard_normal(CLIP_SAMPLES)
    clip = noise * 10 ** rng.uniform(-4.5, -2.5)
    clip[start:start + len(sound)] += sound / np.abs(sound).max() * rng.uniform(0.1, 0.8)
    return (clip * 32767).clip(-32768, 32767).astype(np.int16)


def generated(per_keyword, per_other, seed):
    """Clips [n, 16000] int16 and their labels."""
    rng = random.Random(seed)
    words = [(word, index) for index, word in enumerate(LABELS[:10]) for _ in range(per_keyword)]
    unknown = LABELS.index('_unknown_')
    words += [(word, unknown) for word in sorted(set(OTHERS)) for _ in range(per_other)]
    jobs = [(word, f'{rng.choice(LANGUAGES)}+{rng.choice(VARIANTS)}', rng.randint(110, 210),
             rng.randint(10, 90)) for word, _ in words]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(say, jobs))
    kept = [(centred(sound, rng), label) for sound, (_, label) in zip(said, words) if len(sound) > 1600]
    return np.stack([clip for clip, _ in kept]), np.array([label for _, label in kept])
