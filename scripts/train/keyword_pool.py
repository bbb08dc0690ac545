"""A pool of augmented seconds, made once: features, labels, and the clips that teachers listen to."""
import numpy as np
import torch

from keyword_augment import Noise, add_noise, random_gain, random_room, through_channel, warp
from keyword_data import CLIP_SAMPLES, LABELS, SAMPLE_RATE_HZ, decode, decode_flac_files, fit_clip, resampled
from keyword_data import other_speech
from keyword_speech import generated
from log_mel import LogMel

ROWS_AT_ONCE = 256
UNKNOWN, SILENCE = LABELS.index('_unknown_'), LABELS.index('_silence_')
KITCHEN_TRAIN_SECONDS = 90  # the rest of the recording is for measuring
DIGITS_HERTZ = 8000
DIGITS = 600
NOISE_CLIPS = 800
# How often each source is heard in the pool, the first time of the recorded words as they are.
TIMES = {'train': 9, 'words': 2, 'speech': 2, 'digits': 1, 'noise': 1}
GENERATED = {'per_keyword': 40, 'per_other': 3}
EXACT = LogMel(torch.float64)  # equal to the node's stage bit for bit; for all that is measured


def recorded_noise(data, fit, cache):
    """What noise is cut from: the kitchen's first part, and the room clips of the speakers trained on."""
    kitchen = decode(data.parent / 'noise' / 'kitchen.flac')[:KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ]
    return Noise([kitchen, *fit['clips'][fit['labels'] == SILENCE]])


def spoken_digits(voice, rng):
    """Seconds with one digit said in three voices; no keyword among them."""
    paths = sorted((voice / 'spoken-digits' / 'train').iterdir())
    chosen = [paths[at] for at in sorted(rng.choice(len(paths), DIGITS, replace=False))]
    sounds = [resampled(sound, DIGITS_HERTZ) for sound in decode_flac_files(chosen, DIGITS_HERTZ)]
    return np.stack([fit_clip(sound) for sound in sounds])


def sources(data, fit, options, rng):
    """Each source of the pool by its name: clips int16 and labels."""
    words, word_labels = generated(**GENERATED, seed=options.seed)
    speech = other_speech(data.parent, options.cache)
    digits = spoken_digits(data.parent, rng)
    noise = np.zeros((NOISE_CLIPS, CLIP_SAMPLES), np.int16)
    return {'train': (fit['clips'], fit['labels']), 'words': (words, word_labels),
            'speech': (speech, np.full(len(speech), UNKNOWN)),
            'digits': (digits, np.full(len(digits), UNKNOWN)),
            'noise': (noise, np.full(len(noise), SILENCE))}


def disturb(clips, noise, generator):
    """Clips [n, 16000] in -1..1 moved, sped, in rooms and noise, through a microphone, at 16 bits."""
    clips = random_room(warp(clips, generator), generator)
    clips = add_noise(clips, noise.sample(len(clips), generator), generator)
    return random_gain(through_channel(clips, generator), generator)


def only_noise(count, noise, generator):
    """Rooms without a voice, from digital silence up."""
    level = 10 ** (torch.empty(count, 1).uniform_(-50, 0, generator=generator) / 20)
    return random_gain(through_channel(noise.sample(count, generator) * level, generator), generator)


def build(folder, data, fit, options, show):
    """Writes clips.i16, mel.f16 and rows.npz (label, source, time) into the folder."""
    generator, rng = torch.Generator().manual_seed(options.seed), np.random.default_rng(options.seed)
    noise = recorded_noise(data, fit, options.cache)
    given = sources(data, fit, options, rng)
    labels, origin, times = [], [], []
    with (folder / 'clips.i16').open('wb') as clip_file, (folder / 'mel.f16').open('wb') as mel_file:
        for name, (clips, targets) in given.items():
            for time in range(TIMES[name]):
                for start in range(0, len(clips), ROWS_AT_ONCE):
                    some = torch.from_numpy(clips[start:start + ROWS_AT_ONCE].astype(np.float32) / 32768)
                    if name == 'noise':
                        some = only_noise(len(some), noise, generator)
                    elif name != 'train' or time > 0:
                        some = disturb(some, noise, generator)
                    (some * 32768).round().short().numpy().tofile(clip_file)
                    EXACT(some.double()).numpy().astype(np.float16).tofile(mel_file)
                labels.append(targets)
                origin += [name] * len(clips)
                times += [time] * len(clips)
                show({'pool': name, 'time': time + 1, 'rows': len(origin)})
    np.savez(folder / 'rows.npz', labels=np.concatenate(labels), origin=np.array(origin),
             time=np.array(times))
