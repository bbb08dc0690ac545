"""Speech with its beginnings and ends, by its energy and by Silero VAD, and noise."""
import json
from pathlib import Path

import numpy as np

from keyword_data import LABELS, decode, load_folder
from log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ
from model_file import run_script

STEP = 160  # 10 ms
KITCHEN_TRAIN_SECONDS = 70  # the rest of the recording judges
GAP_STEPS = 12  # the closure of a stop inside a word is speech
RUN_STEPS = 4  # shorter is a click
SILERO_FRAME = 512
RANGE_DB = 32  # the faintest sounds of a word below its loudest
FLOOR_DB = 9  # above the recording's own noise
ROOM_SAMPLES_MIN = 2400  # a shorter stretch would hum where it is repeated
QUALITY_DB = 22  # less between the noise and the loudest: the ends cannot be told


def levels(sound):
    """Level of every 10 ms of int16 sound over 20 ms, high-passed, in dB of full scale."""
    samples = np.diff(sound.astype(np.float64), prepend=0) / 32768
    count = len(samples) // STEP
    power = (samples[:count * STEP].reshape(count, STEP) ** 2).mean(1)
    return 10 * np.log10((power + np.append(power[1:], power[-1:])) / 2 + 1e-10)


def close_gaps(active, longest):
    """Gaps of at most so many steps between active ones filled."""
    active = active.copy()
    at = np.flatnonzero(active)
    for left, right in zip(at[:-1], at[1:]):
        if right - left - 1 <= longest:
            active[left:right] = True
    return active


def drop_runs(active, shortest):
    """Runs of fewer steps taken out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    active = active.copy()
    for start, end in zip(edges[::2], edges[1::2]):
        if end - start < shortest:
            active[start:end] = False
    return active


def energy_truth(sound):
    """Whether each 10 ms holds speech, for speech in quiet; None where noise hides its ends."""
    level = levels(sound)
    floor, peak = np.percentile(level, 10), np.percentile(level, 98)
    if peak - max(floor, peak - 60) < QUALITY_DB:
        return None
    active = level > max(floor + FLOOR_DB, peak - RANGE_DB)
    return drop_runs(close_gaps(active, GAP_STEPS), RUN_STEPS)


def silero(model, sounds, folder):
    """Silero's probability of every 32 ms of each sound."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [str((folder / name).resolve()) for name in ('sounds.bin', 'ends.bin', 'found.bin')]
    (np.concatenate(sounds).astype(np.float32) / 32768).tofile(files[0])
    np.cumsum([len(s) for s in sounds]).astype(np.uint32).tofile(files[1])
    run_script('silero-frames.ts', str(Path(model).resolve()), *files)
    found = np.fromfile(files[2], np.float32)
    return np.split(found, np.cumsum([len(s) // SILERO_FRAME for s in sounds])[:-1])


def at_steps(probabilities, count):
    """Silero's frames as 10 ms steps."""
    index = (np.arange(count) * STEP + STEP // 2) // SILERO_FRAME
    return probabilities[np.minimum(index, len(probabilities) - 1)]


def taught(sound, probabilities):
    """Energy and Silero together: 1 speech, 0 none, -1 where they do not agree."""
    energy = energy_truth(sound)
    if energy is None:
        return None
    near = np.ones(13)  # Silero's own edges lie up to 60 ms from the sound's
    likely = at_steps(probabilities, len(energy))
    above = np.convolve(likely > 0.3, near, 'same') > 0
    label = np.where(energy & above, 1, np.where(~energy, 0, -1)).astype(np.int8)
    label[~energy & (likely > 0.9)] = -1
    return label


def words(data):
    """Isolated words with their ends by energy: (int16, label) pairs."""
    pairs = []
    for clip in data['clips'][data['labels'] != LABELS.index('_silence_')]:
        truth = energy_truth(clip)
        if truth is not None and 10 <= truth.sum() <= 95:
            pairs.append((clip, truth.astype(np.int8)))
    return pairs


def rooms(pairs):
    """The longest stretch without speech of each recording, int16: rooms, breath, hum."""
    found = []
    for clip, label in pairs:
        on = np.flatnonzero(label)
        before, after = clip[:max(0, on[0] - 4) * STEP], clip[(on[-1] + 5) * STEP:]
        quiet = before if len(before) > len(after) else after
        if len(quiet) >= ROOM_SAMPLES_MIN:
            found.append(quiet)
    return found


def load(voice, silero_model, cache):
    """What is trained on: `words` and `speech`, (int16, label) pairs; `noise`, `rooms`."""
    voice, cache = Path(voice), Path(cache)
    train = load_folder(voice / 'speech-commands' / 'train', cache)
    names = sorted(json.loads((voice / 'spoken-commands' / 'labels.json').read_text()))
    paths = [voice / 'spoken-commands' / name for name in names]
    paths += [path for index, path in enumerate(sorted((voice / 'wake-words').glob('*/*.flac')))
              if index % 3 != 0]
    sounds = [decode(path) for path in paths]
    kept = cache / 'silero.npz'
    if not kept.exists():
        found = silero(silero_model, sounds, cache / 'silero')
        np.savez(kept, *found)
    found = list(np.load(kept).values())
    speech = [(s, label) for s, p in zip(sounds, found) if (label := taught(s, p)) is not None]
    kitchen = decode(voice / 'noise' / 'kitchen.flac')[:KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ]
    silence = train['clips'][train['labels'] == LABELS.index('_silence_')]
    said = words(train)
    return {'words': said, 'speech': speech, 'noise': [kitchen, *silence], 'rooms': rooms(said)}


def frame_labels(label, frames):
    """10 ms labels at the middle of each log-mel frame: hop 20 ms, middle at 15 ms."""
    at = (np.arange(frames) * HOP_SAMPLES + 240) // STEP
    return label[np.minimum(at, len(label) - 1)]
