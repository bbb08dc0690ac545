"""Streams as a microphone in a room hears them: speech now and then, noise, silence."""
import numpy as np
import torch

from activity_data import STEP, frame_labels
from activity_net import FRAMES
from keyword_augment import random_channel
from log_mel import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ

SECONDS = 8
LENGTH = SECONDS * SAMPLE_RATE_HZ
STREAM_FRAMES = (LENGTH - FRAME_SAMPLES) // HOP_SAMPLES + 1
FADE = 320
WORD_SHARE = 0.6
EMPTY_SHARE = 0.2  # streams without speech
ROOM_SHARE = 0.3


def warped(pair, rng):
    """A sound and its label played faster or slower."""
    sound, label = pair
    speed = rng.uniform(0.87, 1.15)
    at = np.arange(0, len(sound) - 1, speed)
    steps = np.minimum((np.arange(len(at) // STEP) * STEP * speed / STEP).astype(int), len(label) - 1)
    return np.interp(at, np.arange(len(sound)), sound), label[steps]


def trimmed(sound, label):
    """From just before the first to just after the last speech, faded in and out; 0.1 rms."""
    on = np.flatnonzero(label == 1)
    if len(on) == 0:
        return None
    first, last = max(0, on[0] - 4), min(len(label), on[-1] + 5)
    sound = sound[first * STEP:last * STEP].copy()
    label = label[first:last]
    sound[:FADE] *= np.linspace(0, 1, FADE)
    sound[-FADE:] *= np.linspace(1, 0, FADE)
    power = (sound ** 2)[np.repeat(label == 1, STEP)[:len(sound)]].mean()
    return sound * 0.1 / np.sqrt(power + 1e-9), label


def speech_stream(data, rng):
    """Speech with gaps in a stream of silence: float64 [LENGTH], int8 [steps]."""
    sound, label = np.zeros(LENGTH), np.zeros(LENGTH // STEP, np.int8)
    at = int(rng.uniform(0, 2) * 100)
    while at < len(label) - 20:
        kind = 'words' if rng.random() < WORD_SHARE else 'speech'
        found = trimmed(*warped(data[kind][rng.integers(len(data[kind]))], rng))
        if found is not None:
            piece, part = found
            part = part[:len(label) - at]
            piece = piece[:len(part) * STEP]
            sound[at * STEP:at * STEP + len(piece)] += piece * 10 ** (rng.uniform(-7, 7) / 20)
            label[at:at + len(part)] = part
            at += len(part)
        at += int(100 * (rng.uniform(2, 4) if rng.random() < 0.2 else rng.uniform(0.15, 1.5)))
    return sound, label


def in_room(sound, rng):
    """A direct sound and a tail of noise that dies away."""
    seconds = rng.uniform(0.1, 0.4)
    length = int(seconds * 0.6 * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / (seconds * SAMPLE_RATE_HZ))
    tail *= rng.uniform(0.2, 0.7) / np.sqrt((tail ** 2).sum())
    tail[:int(rng.uniform(0.002, 0.02) * SAMPLE_RATE_HZ)] = 0
    tail[0] = 1
    size = 1 << int(np.ceil(np.log2(LENGTH + length)))
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[:LENGTH]


def coloured(rng):
    """Noise with a spectrum of f^-slope, white to brown, some of it swelling."""
    spectrum = np.fft.rfft(rng.standard_normal(LENGTH))
    sound = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** rng.uniform(0, 1), LENGTH)
    if rng.random() < 0.3:
        sound *= 10 ** (np.interp(np.arange(LENGTH), np.linspace(0, LENGTH, 12),
                                  rng.uniform(-8, 8, 12)) / 20)
    return sound


def knocks(rng):
    """Clicks, knocks and beeps at a level of 0.1."""
    sound = np.zeros(LENGTH)
    for _ in range(rng.integers(1, 10)):
        length = int(rng.uniform(0.004, 0.25) * SAMPLE_RATE_HZ)
        time = np.arange(length) / SAMPLE_RATE_HZ
        if rng.random() < 0.25:
            burst = np.sin(2 * np.pi * rng.uniform(200, 4000) * time) * np.hanning(length) * 1.4
        else:
            burst = rng.standard_normal(length) * np.exp(-6 * np.arange(length) / length)
            burst = np.convolve(burst, np.ones(rng.integers(1, 12)), 'same')
            burst /= np.sqrt((burst ** 2).mean()) + 1e-9
        start = rng.integers(0, LENGTH - length)
        sound[start:start + length] += burst * 0.1 * 10 ** (rng.uniform(-20, 6) / 20)
    return sound


def repeated(sound, length):
    """There and back again, so that no jump is heard."""
    both = np.concatenate([sound, sound[::-1]]).astype(np.float64)
    return np.tile(both, length // len(both) + 1)[:length]


def behind(data, rng):
    """Noise of a mean power of 1."""
    pick = rng.random()
    if pick < 0.35:
        sound = repeated(data['rooms'][rng.integers(len(data['rooms']))], LENGTH)
    elif pick < 0.75:
        source = data['noise'][0 if rng.random() < 0.8 else rng.integers(len(data['noise']))]
        if len(source) < LENGTH:
            source = repeated(source, LENGTH)
        start = rng.integers(0, len(source) - LENGTH + 1)
        sound = source[start:start + LENGTH].astype(np.float64)
    else:
        sound = coloured(rng)
    return sound / (np.sqrt((sound ** 2).mean()) + 1e-9)


def stream(data, rng):
    """One stream of 16-bit samples in -1..1 and the label of each log-mel frame."""
    if rng.random() < EMPTY_SHARE:
        sound, label = np.zeros(LENGTH), np.zeros(LENGTH // STEP, np.int8)
    else:
        sound, label = speech_stream(data, rng)
        if rng.random() < ROOM_SHARE:
            sound = in_room(sound, rng)
    if rng.random() < 0.35:
        sound = sound + knocks(rng)
    below = rng.uniform(0, 40) if rng.random() < 0.75 else rng.uniform(40, 70)
    sound = sound + behind(data, rng) * 0.1 * 10 ** (-below / 20)
    level = 10 ** (rng.uniform(-42, 4) / 20)
    sound = sound / (np.abs(sound).max() + 1e-9) * level
    if rng.random() < 0.1:  # the microphone begins here
        sound[:rng.integers(LENGTH // 2)] = 0
    sound = np.clip(np.round(sound * 32768), -32768, 32767) / 32768
    return sound, frame_labels(label, STREAM_FRAMES)


def batch(data, mel, size, random):
    """Windows of log-mel [n, FRAMES, 40] and their labels [n] from `size` streams."""
    generator, rng = random
    made = [stream(data, rng) for _ in range(size)]
    sounds = torch.from_numpy(np.stack([sound for sound, _ in made])).float()
    # Quiet before, as the flow pads it: the first windows are judged as well.
    sounds = torch.nn.functional.pad(sounds, (FRAMES * HOP_SAMPLES, 0))
    bands = mel(sounds, random_channel(size, generator))
    labels = torch.from_numpy(np.stack([label for _, label in made]).astype(np.int64))
    start = int(torch.randint(0, 8, (), generator=generator))
    picked = torch.arange(start, STREAM_FRAMES, 8)
    windows = bands.unfold(1, FRAMES, 1)[:, picked + 1].transpose(2, 3)
    target = labels[:, picked].reshape(-1)
    windows = windows.reshape(-1, FRAMES, bands.shape[2])
    return windows[target >= 0], target[target >= 0]
