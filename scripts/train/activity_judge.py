"""Judges voice activity on what was never trained on, beside Silero VAD and the sound's energy."""
import json
from pathlib import Path

import numpy as np
import torch

from activity_augment import repeated
from activity_data import (KITCHEN_TRAIN_SECONDS, ROOM_SAMPLES_MIN, SILERO_FRAME, STEP, at_steps,
                           energy_truth, levels, silero, words)
from activity_net import FRAMES
from keyword_data import decode, load_folder
from log_mel import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ, LogMel

HOP_FRAMES = 2  # the flow decides every 40 ms
ON, OFF = 0.5, 0.35  # the flow's threshold
SILERO_ON, SILERO_OFF = 0.5, 0.35  # as its makers' own iterator
BEFORE, AFTER = 1.2, 1.2  # seconds of room around a word
EXACT = LogMel(torch.float64)


def scores(net, sound):
    """float64 samples to the probability at each step, and the samples heard by then."""
    lead = FRAMES * HOP_SAMPLES - HOP_FRAMES * HOP_SAMPLES
    padded = np.concatenate([np.zeros(lead + FRAME_SAMPLES - HOP_SAMPLES), sound])
    net.eval()
    with torch.no_grad():
        mel = EXACT(torch.from_numpy(padded)[None])[0].float()
        windows = mel.unfold(0, FRAMES, HOP_FRAMES).transpose(1, 2)
        found = torch.cat([net(part)[:, 0].sigmoid() for part in windows.split(512)]).numpy()
    return found, (np.arange(len(found)) + 1) * HOP_FRAMES * HOP_SAMPLES


def switched(probabilities, on, off):
    """Whether each step is active, with hysteresis."""
    active, found = False, np.zeros(len(probabilities), bool)
    for at, score in enumerate(probabilities):
        active = score >= (off if active else on)
        found[at] = active
    return found


def edges_of(active, heard, truth):
    """How long after its true beginning and end a word is told, in ms; None where it is missed."""
    start, end = truth[0] * STEP, (truth[-1] + 1) * STEP
    changes = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8)])))
    ons = [heard[at] for at in changes if active[at]]
    offs = [heard[at] for at in changes if not active[at]]
    near = [at for at in ons if start - 0.1 * SAMPLE_RATE_HZ <= at <= end + 0.2 * SAMPLE_RATE_HZ]
    after = [at for at in offs if at > near[0]] if near else []
    last_on = max((at for at in ons if at <= end + 0.1 * SAMPLE_RATE_HZ), default=0)
    final = [at for at in after if at > last_on]
    if not near or not final:
        return None
    ms = 1000 / SAMPLE_RATE_HZ
    return (near[0] - start) * ms, (final[0] - end) * ms


def room_of(clip, truth, length, rng):
    """So much of the recording's own room: its longest stretch without speech, there and back."""
    on = np.flatnonzero(truth)
    before, after = clip[:max(0, on[0] - 3) * STEP], clip[(on[-1] + 4) * STEP:]
    quiet = before if len(before) > len(after) else after
    if len(quiet) < ROOM_SAMPLES_MIN:
        floor = 10 ** (np.percentile(levels(clip), 5) / 20)
        return rng.standard_normal(length) * floor
    return repeated(quiet, length) / 32768


def with_room(word, kitchen, decibels, rng):
    """A dev word with its room before and after, kitchen noise on top, and its true steps."""
    clip, truth = word
    shift = int(rng.integers(0, HOP_FRAMES * HOP_SAMPLES))
    before = int(BEFORE * SAMPLE_RATE_HZ) // STEP * STEP + shift
    after = int(AFTER * SAMPLE_RATE_HZ)
    sound = np.concatenate([room_of(clip, truth, before, rng), clip / 32768,
                            room_of(clip, truth, after, rng)])
    at = np.flatnonzero(truth) + before / STEP
    if decibels is None:
        return sound, at
    power = ((clip / 32768)[:len(truth) * STEP].reshape(-1, STEP)[truth == 1] ** 2).mean()
    start = rng.integers(0, len(kitchen) - len(sound))
    noise = kitchen[start:start + len(sound)] / 32768
    return sound + noise * np.sqrt(power / (noise ** 2).mean() * 10 ** (-decibels / 10)), at


def told(edges):
    """Counts and percentiles of (onset, end) delays."""
    found = [pair for pair in edges if pair is not None]
    line = {'words': len(edges), 'missed': len(edges) - len(found)}
    for name, values in zip(('onset', 'end'), zip(*found)):
        line[f'{name} ms'] = {str(p): round(float(np.percentile(values, p))) for p in (50, 95)}
    return line


def told_frames(active, truth):
    """Misses and false steps among steps whose truth is known."""
    return {'speech': int(truth.sum()), 'missed': int((truth & ~active).sum()),
            'other': int((~truth).sum()), 'false': int((~truth & active).sum()),
            'agreement': round(float((truth == active).mean()), 4)}


def middle_truth(truth, heard):
    """A truth by 10 ms at the middle of the newest frame of each step."""
    return truth[np.minimum((heard - FRAME_SAMPLES // 2) // STEP, len(truth) - 1)]


def judge_recordings(net, voice, options):
    """Steps of whole recordings beside Silero and, in quiet, energy."""
    names = ['speech/silero-test', 'speech/jfk', 'noise/kitchen']
    sounds = [decode(voice / f'{name}.flac') for name in names]
    sounds[2] = sounds[2][KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ:]
    teacher = silero(options.silero, sounds, options.cache / 'silero')
    for name, sound, probabilities in zip(names, sounds, teacher):
        found, heard = scores(net, sound / 32768)
        active = switched(found, ON, OFF)
        truth = at_steps(probabilities, len(sound) // STEP) >= 0.5
        yield {'recording': name, 'truth': 'Silero', **told_frames(active, middle_truth(truth, heard)),
               'begins': int((np.diff(np.concatenate([[0], active.astype(np.int8)])) == 1).sum())}
        energy = energy_truth(sound)
        if energy is not None:
            yield {'recording': name, 'truth': 'energy',
                   **told_frames(active, middle_truth(energy, heard))}


def judge_words(net, voice, options):
    """Words of dev speakers in a room: delays, misses, and false steps in the room around them."""
    dev = words(load_folder(voice / 'speech-commands' / 'dev', options.cache))
    kitchen = decode(voice / 'noise' / 'kitchen.flac')[KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ:]
    for decibels in (None, 20, 10, 5):
        rng = np.random.default_rng(3)
        made = [with_room(word, kitchen, decibels, rng) for word in dev]
        edges, inside, outside = [], [0, 0], [0, 0]
        for sound, truth in made:
            found, heard = scores(net, sound)
            active = switched(found, ON, OFF)
            edges.append(edges_of(active, heard, truth))
            middle = (heard - FRAME_SAMPLES // 2) / STEP
            core = (middle > truth[0] + 3) & (middle < truth[-1] - 3)
            far = (middle < truth[0] - 10) | (middle > truth[-1] + 25)
            inside[0] += int((~active & core).sum())
            inside[1] += int(core.sum())
            outside[0] += int((active & far).sum())
            outside[1] += int(far.sum())
        kind = 'quiet' if decibels is None else f'kitchen noise at {decibels} dB'
        yield {'dev': kind, **told(edges), 'missed steps': inside, 'false steps': outside}
        if options.beside:
            yield {'dev': kind, 'by': 'Silero', **judge_silero(made, options)}


def judge_silero(made, options):
    """The same delays by Silero."""
    given = [np.clip(sound * 32768, -32768, 32767).astype(np.int16) for sound, _ in made]
    edges = []
    for (_, truth), found in zip(made, silero(options.silero, given, options.cache / 'silero')):
        heard = (np.arange(len(found)) + 1) * SILERO_FRAME
        edges.append(edges_of(switched(found, SILERO_ON, SILERO_OFF), heard, truth))
    return told(edges)


def judge(net, options):
    """Prints each figure. Gives those of the model's manifest."""
    voice, accuracy = Path(options.data), []
    for line in [*judge_recordings(net, voice, options), *judge_words(net, voice, options)]:
        print(json.dumps(line), flush=True)
        if line.get('truth') == 'Silero':
            accuracy.append({'metric': 'agreement with Silero VAD', 'value': line['agreement'],
                             'data': line['recording'], 'count': line['speech'] + line['other']})
    return accuracy
