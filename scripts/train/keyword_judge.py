"""How good a keyword network is: accuracy, recall, disturbances, calibration, false words."""
import numpy as np
import torch

from keyword_data import CLIP_SAMPLES, LABELS, SAMPLE_RATE_HZ, decode, fit_clip
from keyword_pool import EXACT, KITCHEN_TRAIN_SECONDS
from log_mel import FFT_SAMPLES

WORDS = 10
BINS = 15  # of the calibration error
TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(2.0), 85))
HALF_SECOND = CLIP_SAMPLES // 2


def floats(clips):
    return torch.from_numpy(clips.astype(np.float32) / 32768)


def features(clips, bin_gain=None):
    """Log-mel of whole clips [n, 16000] in -1..1, as the node's stage computes it."""
    return torch.cat([EXACT(part.double(), bin_gain).float() for part in clips.split(256)])


def logits_of(net, mel):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in mel.split(512)])


def scored(logits, labels):
    """Accuracy, macro F1, recall of each label, expected calibration error, false words of other clips."""
    chances = torch.softmax(logits, 1).numpy()
    told = chances.argmax(1)
    right = told == labels
    recall = [right[labels == index].mean() for index in range(len(LABELS))]
    precision = [right[told == index].mean() if (told == index).any() else 0 for index in range(len(LABELS))]
    f1 = [2 * r * p / (r + p) if r + p else 0 for r, p in zip(recall, precision)]
    words, best = labels < WORDS, chances.max(1)
    return {'accuracy': rounded(right.mean()), 'count': len(labels), 'macroF1': rounded(np.mean(f1)),
            'recall': {label: rounded(value) for label, value in zip(LABELS, recall)},
            'ece': rounded(calibration_error(best, right)),
            'told': {str(at): [int((right & words & (best >= at)).sum()), int(words.sum()),
                               int((~words & (told < WORDS) & (best >= at)).sum()), int((~words).sum())]
                     for at in (0.5, 0.8)}}


def rounded(value):
    return round(float(value), 4)


def calibration_error(best, right):
    """Expected calibration error: how far scores are from shares of right answers, in bins of score."""
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    return sum(abs(right[bins == at].mean() - best[bins == at].mean()) * (bins == at).mean()
               for at in range(BINS) if (bins == at).any())


def temperature_of(logits, labels):
    """The temperature with the least negative log-likelihood."""
    target = torch.from_numpy(labels)
    losses = [torch.nn.functional.cross_entropy(logits / heat, target).item() for heat in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def disturbed(net, data, kitchen):
    """Accuracy on clips that are quiet, overdriven, narrow, or in kitchen noise never trained on."""
    clips = floats(data['clips'])
    hertz = torch.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(kitchen) - CLIP_SAMPLES, len(clips))
    noise = floats(np.stack([kitchen[s:s + CLIP_SAMPLES] for s in starts]))
    power = clips.square().mean(1) / (noise.square().mean(1) + 1e-12)
    variants = {
        'quieter by 40 dB': (((clips * 0.01) * 32768).round() / 32768, None),
        'louder by 20 dB, clipped': ((clips * 10).clamp(-1, 1), None),
        'nothing above 4 kHz': (clips, (hertz < 4000).float()),
        'kitchen noise at 10 dB': (clips + noise * (power / 10).sqrt()[:, None], None),
        'kitchen noise at 5 dB': (clips + noise * (power / 10 ** 0.5).sqrt()[:, None], None),
    }
    return {name: rounded((logits_of(net, features(*given)).argmax(1).numpy() == data['labels']).mean())
            for name, given in variants.items()}


def running(net, voice):
    """Windows of speech and of a kitchen, never trained on, that are told as a word: [0.5, 0.8, all]."""
    kitchen = decode(voice / 'noise' / 'kitchen.flac')[KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ:]
    sounds = {path.stem: decode(path) for path in sorted((voice / 'speech').glob('*.flac'))}
    found = {}
    for name, sound in {**sounds, 'kitchen': kitchen}.items():
        starts = range(0, len(sound) - CLIP_SAMPLES + 1, HALF_SECOND)
        mel = features(floats(np.stack([fit_clip(sound[at:]) for at in starts])))
        best, told = torch.softmax(logits_of(net, mel), 1).max(1)
        found[name] = [int(((told < WORDS) & (best >= at)).sum()) for at in (0.5, 0.8)] + [len(mel)]
    return found
