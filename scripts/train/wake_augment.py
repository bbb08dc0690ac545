"""Windows of sound as a microphone in a room would hear them, with and without the word."""
import numpy as np
import torch

from keyword_augment import random_channel
from log_mel import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ

FRAMES = 72  # 1.44 s: the longest "computer" is 1.1 s
WINDOW = FRAME_SAMPLES + (FRAMES - 1) * HOP_SAMPLES
END_MAX = int(0.4 * SAMPLE_RATE_HZ)  # a window counts up to so long after the end of the word


class Speech:
    """One long stretch of int16 sound, of which pieces are taken at random."""

    def __init__(self, sounds, gap=0):
        self.all = np.concatenate([np.concatenate([s, np.zeros(gap, np.int16)]) for s in sounds])

    def piece(self, rng, length):
        if len(self.all) <= length:
            return np.pad(self.all, (0, length - len(self.all))).astype(np.float32)
        start = rng.integers(0, len(self.all) - length)
        return self.all[start:start + length].astype(np.float32)


def warp(sound, rng, low=0.86, high=1.17):
    """Played faster or slower, which shifts the voice as well."""
    speed = rng.uniform(low, high)
    at = np.arange(0, len(sound) - 1, speed)
    return np.interp(at, np.arange(len(sound)), sound).astype(np.float32)


def loud(sound):
    """To a root mean square of 0.1, over what is not silent."""
    power = np.sort(sound.astype(np.float64) ** 2)[len(sound) // 2:].mean()
    return (sound * (0.1 / np.sqrt(power + 1e-9))).astype(np.float32)


def place(window, sound, end):
    """Adds a sound that ends at `end`, what does not fit left out."""
    start = end - len(sound)
    low, high = max(0, start), min(len(window), end)
    if high > low:
        window[low:high] += sound[low - start:high - start]


def with_word(word, speech, rng):
    """The word near the end of a window, with or without speech around it. float32 [WINDOW]"""
    window = np.zeros(WINDOW, np.float32)
    word = loud(warp(word, rng))
    end = WINDOW - int(rng.uniform(0, END_MAX))
    place(window, word, end)
    if rng.random() < 0.3:  # somebody spoke just before
        before = end - len(word) - int(rng.uniform(0.02, 0.4) * SAMPLE_RATE_HZ)
        place(window, loud(speech.piece(rng, WINDOW)) * rng.uniform(0.3, 1.2), before)
    if rng.random() < 0.35:  # and goes on at once
        after = loud(speech.piece(rng, WINDOW)) * rng.uniform(0.5, 1.2)
        start = end + int(rng.uniform(0.0, 0.3) * SAMPLE_RATE_HZ)
        if start < WINDOW:
            window[start:] += after[:WINDOW - start]
    return window


def cut_word(word, rng):
    """Half of the word: its first part at the end of the window, or its last at the beginning."""
    window = np.zeros(WINDOW, np.float32)
    word = loud(warp(word, rng))
    if rng.random() < 0.6:
        cut = int(len(word) * rng.uniform(0.3, 0.62))
        place(window, word[:cut], WINDOW - int(rng.uniform(0, 0.3) * SAMPLE_RATE_HZ))
    else:
        cut = word[int(len(word) * rng.uniform(0.4, 0.7)):]
        place(window, cut, int(rng.uniform(0.3, 1.0) * WINDOW))
    return window


def room(window, rng):
    """Reverberation of a room: a direct sound and a tail of noise that dies away."""
    seconds = rng.uniform(0.1, 0.6)
    length = int(seconds * 0.6 * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / (seconds * SAMPLE_RATE_HZ))
    tail *= rng.uniform(0.2, 1.0) / np.sqrt((tail ** 2).sum())
    tail[:int(rng.uniform(0.002, 0.02) * SAMPLE_RATE_HZ)] = 0
    tail[0] = 1
    size = 1 << int(np.ceil(np.log2(len(window) + length)))
    spectrum = np.fft.rfft(window, size) * np.fft.rfft(tail, size)
    return np.fft.irfft(spectrum, size)[:len(window)].astype(np.float32)


def coloured(rng):
    """Noise with a spectrum of f^-slope, from white to brown."""
    spectrum = np.fft.rfft(rng.standard_normal(WINDOW))
    shaped = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** rng.uniform(0, 1), WINDOW)
    return shaped.astype(np.float32)


def disturbed(window, noise, speech, rng):
    """A room, noise or other voices behind, a level, 16 bits."""
    if rng.random() < 0.5:
        window = room(window, rng)
    pick = rng.random()
    if pick < 0.85:
        behind = noise.piece(rng, WINDOW) if pick < 0.45 else coloured(rng)
        if pick > 0.7:
            behind = sum(speech.piece(rng, WINDOW) for _ in range(3))
        power = np.mean(window ** 2) if np.any(window) else 1e-3
        ratio = 10 ** (-rng.uniform(0, 35) / 10)
        window = window + behind * np.sqrt(power * ratio / (np.mean(behind ** 2) + 1e-9))
    peak = np.abs(window).max() + 1e-9
    level = 10 ** (rng.uniform(-42, 4) / 20)
    return np.clip(np.round(window / peak * level * 32768), -32768, 32767) / 32768


def features(mel, windows, generator):
    """Log-mel [n, FRAMES, 40] through a random channel, two stretches masked."""
    bands = mel(torch.from_numpy(np.stack(windows)).float(), random_channel(len(windows), generator))
    n, frames, width = bands.shape
    fill = bands.mean((1, 2), keepdim=True)
    for axis, size, longest in ((1, frames, 6), (2, width, 6)):
        length = torch.randint(0, longest + 1, (n, 1), generator=generator)
        start = (torch.rand(n, 1, generator=generator) * (size - length)).floor()
        at = torch.arange(size)[None]
        hit = (at >= start) & (at < start + length)
        bands = torch.where(hit[:, :, None] if axis == 1 else hit[:, None], fill, bands)
    return bands
