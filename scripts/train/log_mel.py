"""Log-mel spectrogram by TensorFlow's definitions, equal to the `mel-spectrogram` stage."""
import numpy as np
import torch

SAMPLE_RATE_HZ = 16000
FRAME_SAMPLES = 480
HOP_SAMPLES = 320
FFT_SAMPLES = 512
BANDS = 40
LOW_HZ = 20.0
HIGH_HZ = 7600.0
LOG_OFFSET = 1e-6


def hertz_to_mel(hertz):
    """HTK's mel scale, as tf.signal.linear_to_mel_weight_matrix has it."""
    return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


def mel_weights(high_hz=HIGH_HZ):
    """Triangles in mel over the FFT's bins without DC. [bin, band]"""
    bins = FFT_SAMPLES // 2 + 1
    bin_mel = hertz_to_mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, bins))[1:, None]
    edges = np.linspace(hertz_to_mel(LOW_HZ), hertz_to_mel(high_hz), BANDS + 2)
    lower, centre, upper = edges[:-2][None], edges[1:-1][None], edges[2:][None]
    rising = (bin_mel - lower) / (centre - lower)
    falling = (upper - bin_mel) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(weights, [[1, 0], [0, 0]])


class LogMel:
    """Callable: samples [n, 16000] in -1..1 to log-mel [n, 49, 40]."""

    def __init__(self, dtype=torch.float32, high_hz=HIGH_HZ):
        self.window = torch.hann_window(FRAME_SAMPLES, periodic=True, dtype=dtype)
        self.weights = torch.tensor(mel_weights(high_hz), dtype=dtype)

    def __call__(self, samples, bin_gain=None):
        frames = samples.unfold(1, FRAME_SAMPLES, HOP_SAMPLES) * self.window
        magnitude = torch.fft.rfft(frames, n=FFT_SAMPLES).abs()  # [n, frame, bin]
        if bin_gain is not None:
            magnitude = magnitude * bin_gain
        return torch.log(magnitude @ self.weights + LOG_OFFSET)


class Cepstrum:
    """Callable: samples [n, 16000] to the MFCCs [n, 49, 10] that MLPerf Tiny's keyword model takes."""

    def __init__(self, high_hz=4000.0, coefficients=10):
        self.mel = LogMel(high_hz=high_hz)
        band, row = torch.arange(BANDS)[:, None] + 0.5, torch.arange(coefficients)[None]
        self.cosines = torch.cos(np.pi / BANDS * band * row) * (2 / BANDS) ** 0.5  # [band, row]

    def __call__(self, samples):
        peak = samples.amax(1, keepdim=True)
        return self.mel(samples / torch.where(peak > 0, peak, torch.ones_like(peak))) @ self.cosines
