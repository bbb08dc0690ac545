"""Trains the keyword model on Speech Commands, tells its accuracy, writes model.onnx."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from averaging import blend_into
from keyword_augment import Noise, add_noise, mask, random_channel, random_gain, warp
from keyword_data import CLIP_SAMPLES, LABELS, decode, held_speakers, load_folder, other_speech
from keyword_net import KeywordNet
from log_mel import FFT_SAMPLES, SAMPLE_RATE_HZ, LogMel
from model_file import ROOT, check, export, run_script, write_manifest

BATCH = 64
OTHER_PER_EPOCH = 150  # seconds of other speech added to each epoch as _unknown_
RATE_MAX = 4e-3
SMOOTHING = 0.1
KITCHEN_TRAIN_SECONDS = 90  # the rest of the recording is for measuring
MEL = LogMel()
EXACT = LogMel(torch.float64)  # equal to the node's stage bit for bit; for all that is measured


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='speech-commands: train/ and dev/')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'keyword-spotting')
    parser.add_argument('--epochs', type=int, default=80)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--validate', action='store_true',
                        help='hold speakers of train back and tell their accuracy; write nothing')
    return parser.parse_args()


def features(clips, noise, generator):
    """One augmented batch: log-mel [n, 49, 40]."""
    clips = torch.from_numpy(clips.astype(np.float32) / 32768)
    clips = add_noise(warp(clips, generator), noise.sample(len(clips), generator), generator)
    mel = MEL(random_gain(clips, generator), random_channel(len(clips), generator))
    return mask(mel, generator)


def mix(mel, target, random):
    """Half of the batches are mixed with themselves in another order (mixup)."""
    generator, rng = random
    if torch.rand((), generator=generator) < 0.5:
        return mel, target
    share = float(rng.beta(0.3, 0.3))
    other = torch.randperm(len(mel), generator=generator)
    return mel * share + mel[other] * (1 - share), target * share + target[other] * (1 - share)


def train(net, data, noise, options):
    """AdamW, one warm cosine cycle, label smoothing, mixup. Yields the moving average."""
    random = (torch.Generator().manual_seed(options.seed), np.random.default_rng(options.seed))
    generator = random[0]
    decay = [p for p in net.parameters() if p.dim() > 1]
    rest = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{'params': decay, 'weight_decay': 0.02}, {'params': rest, 'weight_decay': 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE_MAX)
    own = len(data['labels'])
    steps = options.epochs * ((own + OTHER_PER_EPOCH) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE_MAX, steps, pct_start=0.15)
    clips = np.concatenate([data['clips'], data['other']])
    unknown = np.full(len(data['other']), LABELS.index('_unknown_'))
    labels = torch.from_numpy(np.concatenate([data['labels'], unknown]))
    average, step = copy.deepcopy(net), 0
    for epoch in range(options.epochs):
        net.train()
        extra = own + torch.randperm(len(unknown), generator=generator)[:OTHER_PER_EPOCH]
        order = torch.cat([torch.arange(own), extra])
        order = order[torch.randperm(len(order), generator=generator)]
        losses, started = [], time.time()
        for rows in order.split(BATCH)[:len(order) // BATCH]:
            mel = features(clips[rows.numpy()], noise, generator)
            target = functional.one_hot(labels[rows], len(LABELS)).float()
            mel, target = mix(mel, target * (1 - SMOOTHING) + SMOOTHING / len(LABELS), random)
            loss = -(functional.log_softmax(net(mel), 1) * target).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            blend_into(average, net, min(0.995, (step + 1) / (step + 10)))
            losses.append(loss.item())
        yield {'epoch': epoch + 1, 'loss': round(float(np.mean(losses)), 4),
               's': round(time.time() - started, 1)}, average


def predict(net, clips, bin_gain=None):
    """Labels of whole clips [n, 16000] in -1..1."""
    net.eval()
    with torch.no_grad():
        return torch.cat([net(EXACT(part.double(), bin_gain).float()).argmax(1)
                          for part in clips.split(256)]).numpy()


def accuracy(net, data):
    """Accuracy and recall of each label on whole clips as they are."""
    right = predict(net, torch.from_numpy(data['clips'].astype(np.float32) / 32768)) == data['labels']
    recall = {label: round(float(right[data['labels'] == index].mean()), 3)
              for index, label in enumerate(LABELS)}
    return {'accuracy': round(float(right.mean()), 4), 'count': len(right), 'recall': recall}


def disturbed(net, data, kitchen):
    """Accuracy on clips that are quiet, overdriven, narrow, or in kitchen noise never trained on."""
    clips = torch.from_numpy(data['clips'].astype(np.float32) / 32768)
    hertz = torch.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(kitchen) - CLIP_SAMPLES, len(clips))
    noise = torch.from_numpy(np.stack([kitchen[s:s + CLIP_SAMPLES] for s in starts]) / 32768).float()
    scale = (clips.square().mean(1) / (noise.square().mean(1) + 1e-12) / 10).sqrt()[:, None]
    variants = {
        'quieter by 40 dB': (((clips * 0.01) * 32768).round() / 32768, None),
        'louder by 20 dB, clipped': ((clips * 10).clamp(-1, 1), None),
        'nothing above 4 kHz': (clips, (hertz < 4000).float()),
        'kitchen noise at 10 dB': (clips + noise * scale, None),
    }
    return {name: round(float((predict(net, *given) == data['labels']).mean()), 4)
            for name, given in variants.items()}


def check_features(clips, mel, folder):
    """Largest difference between these features and those of the flow's own stage."""
    clips.numpy().tofile(folder / 'clips.bin')
    mel.numpy().tofile(folder / 'mel.bin')
    return run_script('check-mel.ts', 'flows/keyword-spotting/flow.yaml', str(folder.resolve()))


def write(net, data, found, options):
    path = options.out / 'model.onnx'
    clips = torch.from_numpy(data['clips'][:48].astype(np.float32) / 32768)
    example = EXACT(clips.double()).float()
    export(net, example, ['mel'], ['logits'], path)
    print(json.dumps({'difference': check(net, example, ['logits'], path, options.cache / 'check'),
                      'features': check_features(clips, example, options.cache / 'check'),
                      'bytes': path.stat().st_size}))
    write_manifest(path, {
        'name': 'keyword-spotting', 'version': '1.0.0', 'precision': 'fp32',
        'inputs': [{'name': 'mel', 'type': 'float32', 'shape': ['N', *example.shape[1:]]}],
        'outputs': [{'name': 'logits', 'type': 'float32', 'shape': ['N', len(LABELS)]}],
        'labels': LABELS,
        'licence': 'MIT',
        'origin': 'Trained by scripts/train/keyword_spotting.py on Speech Commands v0.02 (CC BY 4.0), '
                  'with wake words and spoken commands (Apache-2.0) as other speech and kitchen '
                  'noise (Apache-2.0).',
        'accuracy': [{'metric': 'accuracy', 'value': found['accuracy'],
                      'data': 'speech-commands/dev, speakers not trained on',
                      'count': found['count']}],
        'description': 'Ten words, silence and anything else in one second of 16 kHz sound.'})


def main():
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    data = load_folder(options.data / 'train', options.cache)
    held = held_speakers(data['speakers'], 0.18, 'validation') & options.validate
    fit = {k: data[k][~held] for k in ('clips', 'labels')}
    fit['other'] = other_speech(options.data.parent, options.cache)
    judge = {k: data[k][held] for k in ('clips', 'labels')}
    if not options.validate:
        judge = load_folder(options.data / 'dev', options.cache)
    kitchen = decode(options.data.parent / 'noise' / 'kitchen.flac')
    split = KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ
    silence = fit['clips'][fit['labels'] == LABELS.index('_silence_')]
    net = KeywordNet(len(LABELS))
    print(json.dumps({'parameters': sum(p.numel() for p in net.parameters()),
                      'clips': len(fit['labels']), 'other': len(fit['other'])}), flush=True)
    average = net
    for line, average in train(net, fit, Noise([kitchen[:split], *silence]), options):
        print(json.dumps(line), flush=True)
    found = accuracy(average, judge)
    print(json.dumps({**found, 'disturbed': disturbed(average, judge, kitchen[split:])}), flush=True)
    if not options.validate:
        torch.save(average.state_dict(), options.cache / 'keyword-spotting.pt')
        write(average, judge, found, options)


if __name__ == '__main__':
    main()
