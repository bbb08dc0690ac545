"""Scores a stream as the flow does: every 80 ms, the mean of the last two."""
import numpy as np
import torch

from log_mel import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ
from wake_augment import FRAMES

STEP_FRAMES = 4  # 80 ms
REFRACTORY_STEPS = 25  # 2 s: one word is counted once
QUIET = 1e-4


def scores(net, mel, sound):
    """int16 [samples] to the probability of the word at every step, the mean of two. float32 [steps]"""
    lead = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ) * QUIET
    samples = torch.from_numpy(np.concatenate([lead, sound / 32768])).to(torch.float32)
    found = []
    net.eval()
    with torch.no_grad():
        frames = mel(samples[None])[0]
        windows = frames.unfold(0, FRAMES, STEP_FRAMES).transpose(1, 2)
        for part in windows.split(256):
            found.append(net(part).softmax(1)[:, 0])
    one = torch.cat(found).numpy()
    return (one[1:] + one[:-1]) / 2


def start_of(step):
    """Where the window of a step begins, in samples of the sound without its lead."""
    return step * STEP_FRAMES * HOP_SAMPLES - 2 * SAMPLE_RATE_HZ


def wakes(steps, threshold):
    """How often the flow wakes: steps at the threshold, those within the refractory time not counted."""
    count, last = 0, -REFRACTORY_STEPS
    for at in np.flatnonzero(steps >= threshold):
        if at - last >= REFRACTORY_STEPS:
            count, last = count + 1, at
    return count


def joined(sounds, gap=SAMPLE_RATE_HZ):
    """Sounds one after the other with a second of near silence between them."""
    quiet = np.random.default_rng(1).standard_normal(gap) * QUIET * 32768
    return np.concatenate([np.concatenate([s, quiet.astype(np.int16)]) for s in sounds])


def noisy(sound, noise, decibels, rng):
    """The sound with noise at this signal to noise ratio, measured where the sound is loud."""
    power = np.sort(sound.astype(np.float64) ** 2)[-len(sound) // 3:].mean()
    start = rng.integers(0, max(1, len(noise) - len(sound)))
    behind = np.resize(noise[start:], len(sound)).astype(np.float64)
    scale = np.sqrt(power / (np.mean(behind ** 2) + 1e-9) * 10 ** (-decibels / 10))
    return np.clip(sound + behind * scale, -32768, 32767).astype(np.int16)


def judge(net, mel, data, thresholds=(0.3, 0.5, 0.7, 0.8, 0.9, 0.93, 0.95)):
    """Recall of the word and false wakes an hour, by threshold."""
    rng = np.random.default_rng(5)
    kitchen = data['others']['kitchen'][0]
    kinds = {'clean': lambda s: s}
    for decibels in (20, 10, 5):
        kinds[f'{decibels} dB'] = lambda s, d=decibels: noisy(s, kitchen, d, rng)
    recall = {}
    for name, change in kinds.items():
        tail = np.zeros(SAMPLE_RATE_HZ // 2, np.int16)
        best = [scores(net, mel, change(np.concatenate([s, tail]))).max() for s in data['words']]
        recall[name] = [round(float(np.mean(np.array(best) >= t)), 3) for t in thresholds]
    false = {}
    for name, sounds in data['others'].items():
        stream = joined(sounds)
        steps = scores(net, mel, stream)
        hours = len(stream) / SAMPLE_RATE_HZ / 3600
        false[name] = [round(hours, 3), *[wakes(steps, t) for t in thresholds]]
    return {'thresholds': thresholds, 'words': len(data['words']), 'recall': recall,
            'hours, false wakes': false}
