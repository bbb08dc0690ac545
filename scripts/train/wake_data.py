"""Sound with and without the wake word, split so that what judges was never trained on."""
import hashlib
import json
from pathlib import Path

import numpy as np

from keyword_data import decode, load_folder
from wake_speech import cached, chatter, near_words, words

SAMPLE_RATE_HZ = 16000
HELD_SHARE = 1 / 3  # of the recorded clips, by a hash of their names
KITCHEN_TRAIN_SECONDS = 70  # the rest of the recording judges
HOP = 320


def is_held(path):
    """Whether a recording of the word is kept for judging."""
    digest = hashlib.sha256(f'wake:{path.stem}'.encode()).hexdigest()
    return int(digest[:8], 16) / 2**32 < HELD_SHARE


def trim(samples):
    """The word alone: from the first to the last frame over 5 % of its loudest."""
    frames = samples[:len(samples) // HOP * HOP].astype(np.float64).reshape(-1, HOP)
    level = np.sqrt((frames ** 2).mean(1))
    loud = np.flatnonzero(level > 0.05 * level.max())
    return samples[max(0, loud[0] - 1) * HOP:(loud[-1] + 2) * HOP]


def recorded(voice, word):
    """Recordings of the word, whole: those to train on and those to judge by."""
    paths = sorted((Path(voice) / 'wake-words' / word).glob('*.flac'))
    fit = [decode(path) for path in paths if not is_held(path)]
    return fit, [decode(path) for path in paths if is_held(path)]


def load(voice, word, cache):
    """What is trained on: `words` and `others`, lists of int16; `noise`; and `judge`, never trained on."""
    cache, voice = Path(cache), Path(voice)
    fit, held = recorded(voice, word)
    kitchen = decode(voice / 'noise' / 'kitchen.flac')
    split = KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ
    commands = load_folder(voice / 'speech-commands' / 'train', '/tmp/ledge-train')
    dev = load_folder(voice / 'speech-commands' / 'dev', '/tmp/ledge-train')
    orders = json.loads((voice / 'spoken-commands' / 'labels.json').read_text())
    order_paths = [voice / 'spoken-commands' / name for name in sorted(orders)]
    held_orders = [p for p in order_paths if is_held(p)]
    others = [decode(p) for p in order_paths if not is_held(p)]
    other_words = [p for other in ('alexa', 'jarvis', 'computer') if other != word
                   for p in sorted((voice / 'wake-words' / other).glob('*.flac'))]
    others += [decode(p) for p in other_words if not is_held(p)]
    others += list(commands['clips'])
    others += [decode(p) for p in sorted((voice / 'spoken-digits' / 'train').iterdir())[::5]]
    others += [decode(voice / 'speech' / 'jfk.flac')]
    said = cached(cache / 'chatter.npz', lambda: chatter(900, 1))
    near = cached(cache / 'near.npz', lambda: near_words(700, 2))
    return {
        'recorded': [trim(s) for s in fit],
        'words': [trim(s) for s in cached(cache / f'{word}.npz', lambda: words(word, 800, 3))],
        'others': others, 'chatter': said, 'near': near, 'noise': kitchen[:split],
        'judge': {
            'words': held,
            'others': {
                'speech': [decode(voice / 'speech' / 'silero-test.flac')],
                'kitchen': [kitchen[split:]],
                'coffee orders': [decode(p) for p in held_orders],
                'other wake words': [decode(p) for p in other_words if is_held(p)],
                'keywords': list(dev['clips']),
                'digits': [decode(p) for p in sorted((voice / 'spoken-digits' / 'dev').iterdir())[::3]],
                'chatter': cached(cache / 'chatter-held.npz', lambda: chatter(500, 101)),
            },
        },
    }
