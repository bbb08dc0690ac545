"""Augmentation of one-second clips: time, speed, gain, noise, channel, masks."""
import numpy as np
import torch

from keyword_data import CLIP_SAMPLES
from log_mel import FFT_SAMPLES, SAMPLE_RATE_HZ

SHIFT_SAMPLES = 3200
SPEED_LOW, SPEED_HIGH = 0.86, 1.16
NOISE_SHARE = 0.75
NARROW_SHARE = 0.12
ROOM_SHARE = 0.3
ECHO_SAMPLES = 8000


def warp(clips, generator):
    """Each clip shifted and played faster or slower, zeros where it ends."""
    n = len(clips)
    speed = torch.empty(n, 1).uniform_(SPEED_LOW, SPEED_HIGH, generator=generator)
    shift = torch.empty(n, 1).uniform_(-SHIFT_SAMPLES, SHIFT_SAMPLES, generator=generator)
    centre = CLIP_SAMPLES / 2
    at = (torch.arange(CLIP_SAMPLES)[None] - centre) * speed + centre + shift
    low = at.floor()
    part = at - low
    inside = (low >= 0) & (low < CLIP_SAMPLES - 1)
    low = low.clamp(0, CLIP_SAMPLES - 2).long()
    return (clips.gather(1, low) * (1 - part) + clips.gather(1, low + 1) * part) * inside


class Noise:
    """Random second-long pieces of recorded noise and of white to brown noise."""

    def __init__(self, recordings):
        self.recordings = [torch.from_numpy(r.astype(np.float32) / 32768) for r in recordings]

    def sample(self, n, generator):
        out = torch.empty(n, CLIP_SAMPLES)
        for row in range(n):
            pick = torch.rand((), generator=generator).item()
            if pick < 0.25:
                out[row] = coloured(generator)
                continue
            source = self.recordings[0 if pick < 0.6 else
                                     torch.randint(len(self.recordings), (), generator=generator)]
            start = torch.randint(len(source) - CLIP_SAMPLES + 1, (), generator=generator)
            out[row] = source[start:start + CLIP_SAMPLES]
        return out


def coloured(generator):
    """Noise with a spectrum of f^-slope, slope 0 (white) to 1 (amplitude of brown)."""
    spectrum = torch.fft.rfft(torch.randn(CLIP_SAMPLES, generator=generator))
    slope = torch.rand((), generator=generator).item()
    shaped = torch.fft.irfft(spectrum / torch.arange(1, len(spectrum) + 1).float() ** slope)
    return shaped / shaped.abs().max() * 0.5


def add_noise(clips, noise, generator):
    """Noise mixed in at -2 to 35 dB of signal to noise, over the share of clips."""
    n = len(clips)
    snr = torch.empty(n, 1).uniform_(-2, 35, generator=generator)
    power = clips.square().mean(1, keepdim=True)
    noise_power = noise.square().mean(1, keepdim=True) + 1e-12
    scale = (power / noise_power * 10 ** (-snr / 10)).sqrt()
    chosen = torch.rand(n, 1, generator=generator) < NOISE_SHARE
    return clips + noise * scale * chosen


def random_gain(clips, generator):
    """-30 to +8 dB, clipped at full scale and rounded to 16 bits as a recorder does."""
    gain = 10 ** (torch.empty(len(clips), 1).uniform_(-30, 8, generator=generator) / 20)
    return (clips * gain * 32768).round().clamp(-32768, 32767) / 32768


def random_channel(n, generator, bins=FFT_SAMPLES // 2 + 1):
    """A smooth gain over an FFT's bins, some with nothing above 4 kHz as from an 8 kHz voice."""
    knots = torch.empty(n, 1, 6).uniform_(-6, 6, generator=generator)
    curve = torch.nn.functional.interpolate(knots, bins, mode='linear', align_corners=True)[:, 0]
    gain = 10 ** (curve / 20)
    hertz = torch.linspace(0, SAMPLE_RATE_HZ / 2, bins)
    narrow = torch.rand(n, 1, generator=generator) < NARROW_SHARE
    return torch.where(narrow & (hertz[None] > 3900), gain * 0.001, gain)[:, None]


def mask(mel, generator):
    """Two bands and two stretches of time replaced by the clip's mean (SpecAugment)."""
    n, frames, bands = mel.shape
    fill = mel.mean((1, 2), keepdim=True)
    for _ in range(2):
        for axis, size, longest in ((1, frames, 8), (2, bands, 6)):
            length = torch.randint(0, longest + 1, (n, 1), generator=generator)
            start = (torch.rand(n, 1, generator=generator) * (size - length)).floor()
            at = torch.arange(size)[None]
            hit = (at >= start) & (at < start + length)
            mel = torch.where(hit[:, :, None] if axis == 1 else hit[:, None], fill, mel)
    return mel


def through_channel(clips, generator):
    """The clips through one random microphone each."""
    bins = CLIP_SAMPLES // 2 + 1
    gain = random_channel(len(clips), generator, bins)[:, 0]
    return torch.fft.irfft(torch.fft.rfft(clips) * gain, CLIP_SAMPLES)


def random_room(clips, generator):
    """A share of the clips in rooms: the voice itself and a decaying noise of echoes behind it."""
    n = len(clips)
    seconds = torch.empty(n, 1).uniform_(0.1, 0.5, generator=generator)  # until 60 dB down
    at = torch.arange(ECHO_SAMPLES)[None] / SAMPLE_RATE_HZ
    echoes = torch.randn(n, ECHO_SAMPLES, generator=generator) * 10 ** (-3 * at / seconds)
    echoes[:, :32] = 0
    echoes = echoes / echoes.square().sum(1, keepdim=True).sqrt()
    level = 10 ** (torch.empty(n, 1).uniform_(-18, 0, generator=generator) / 20)
    chosen = torch.rand(n, 1, generator=generator) < ROOM_SHARE
    response = echoes * level * chosen
    response[:, 0] = 1
    size = 2 * CLIP_SAMPLES
    heard = torch.fft.irfft(torch.fft.rfft(clips, size) * torch.fft.rfft(response, size), size)
    return torch.where(chosen, heard[:, :CLIP_SAMPLES], clips)
