"""Trains the wake word model, tells its recall and false wakes, writes model.onnx."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from averaging import blend_into
from keyword_net import KeywordNet
from log_mel import LogMel
from model_file import ROOT, check, export, write_manifest
from wake_augment import WINDOW, Speech, cut_word, disturbed, features, with_word
from wake_data import load
from wake_stream import joined, judge, scores, start_of

BATCH = 96
RATE_MAX = 3e-3
SMOOTHING = 0.02
WIDTHS = (16, 24, 32, 40)
MINED_MAX = 4000
THRESHOLD = 0.93  # the flow's own
MEL = LogMel()
EXACT = LogMel(torch.float64)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='voice/: wake-words/, speech-commands/ ...')
    parser.add_argument('--word', default='computer')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train-wake'))
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'wake-word')
    parser.add_argument('--steps', type=int, default=3600)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--validate', action='store_true',
                        help='hold a part of the training recordings back, judge by it, write nothing')
    return parser.parse_args()


class Batches:
    """Random windows: two fifths with the word, the others without."""

    def __init__(self, data, seed):
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.recorded, self.words = data['recorded'], data['words']
        self.noise = Speech([data['noise']])
        self.real = Speech(data['others'], 800)
        self.said = Speech([*data['chatter'], *data['near']], 2400)
        self.near = data['near']
        self.mined = []

    def word(self):
        kind = self.recorded if self.rng.random() < 0.6 else self.words
        return kind[self.rng.integers(len(kind))]

    def other(self):
        pick = self.rng.random()
        if pick < 0.18 and self.mined:
            return self.mined[self.rng.integers(len(self.mined))]
        if pick < 0.38:
            return cut_word(self.word(), self.rng)
        if pick < 0.48:
            near = self.near[self.rng.integers(len(self.near))]
            return with_word(near, self.real, self.rng)
        if pick < 0.55:
            return np.zeros(WINDOW, np.float32)
        return (self.real if pick < 0.82 else self.said).piece(self.rng, WINDOW) / 32768

    def take(self):
        """Log-mel and targets; 0: the word, 1: none."""
        labels = (self.rng.random(BATCH) > 0.4).astype(np.int64)
        windows = [with_word(self.word(), self.real, self.rng) if label == 0 else self.other()
                   for label in labels]
        windows = [disturbed(w, self.noise, self.real, self.rng) for w in windows]
        return features(MEL, windows, self.generator), torch.from_numpy(labels)

    def mine(self, net, streams):
        """Keeps the windows of sound without the word that the network takes for it."""
        for stream in streams:
            steps = scores(net, MEL, stream)
            for at in np.flatnonzero(steps > 0.15):
                begin = start_of(at) + int(self.rng.integers(-1600, 1600))
                if 0 <= begin < len(stream) - WINDOW:
                    self.mined.append(stream[begin:begin + WINDOW].astype(np.float32) / 32768)
        self.mined = self.mined[-MINED_MAX:]
        return len(self.mined)


def train(net, data, options):
    """AdamW, one warm cosine cycle, hard examples mined four times. Yields the moving average."""
    batches = Batches(data, options.seed)
    streams = [joined(data['others']), joined(data['chatter']), joined(data['near'])]
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE_MAX, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE_MAX, options.steps, pct_start=0.15)
    average, losses, started = copy.deepcopy(net), [], time.time()
    mine_at = {int(options.steps * share) for share in (0.2, 0.4, 0.6, 0.8)}
    for step in range(options.steps):
        net.train()
        mel, labels = batches.take()
        target = functional.one_hot(labels, 2).float() * (1 - SMOOTHING) + SMOOTHING / 2
        loss = -(functional.log_softmax(net(mel), 1) * target).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        blend_into(average, net, min(0.998, (step + 1) / (step + 10)))
        losses.append(loss.item())
        line = {}
        if step + 1 in mine_at:
            line['mined'] = batches.mine(average, streams)
        if (step + 1) % 200 == 0:
            line = {'step': step + 1, 'loss': round(float(np.mean(losses)), 4),
                    's': round(time.time() - started, 1), **line}
            losses = []
        if line:
            yield line, average


def write(net, found, options):
    path = options.out / 'model.onnx'
    generator = np.random.default_rng(0)
    example = EXACT(torch.from_numpy(generator.standard_normal((48, WINDOW)) * 0.1)).float()
    export(net, example, ['mel'], ['logits'], path)
    print(json.dumps({'difference': check(net, example, ['logits'], path, options.cache / 'check'),
                      'bytes': path.stat().st_size}))
    at = found['thresholds'].index(THRESHOLD)
    hours = sum(row[0] for row in found['hours, false wakes'].values())
    false = sum(row[1 + at] for row in found['hours, false wakes'].values())
    write_manifest(path, {
        'name': 'wake-word', 'version': '1.0.0', 'precision': 'fp32',
        'inputs': [{'name': 'mel', 'type': 'float32', 'shape': ['N', *example.shape[1:]]}],
        'outputs': [{'name': 'logits', 'type': 'float32', 'shape': ['N', 2]}],
        'labels': [options.word, '_other_'],
        'licence': 'MIT',
        'origin': 'Trained by scripts/train/wake_word.py on generated speech and on recordings of wake '
                  'words and spoken commands (Apache-2.0), with Speech Commands v0.02 (CC BY 4.0), '
                  'spoken digits (CC BY-SA 4.0) and kitchen noise (Apache-2.0) as other sound.',
        'accuracy': [
            {'metric': 'recall', 'value': found['recall']['clean'][at],
             'data': 'recordings of the word never trained on', 'count': found['words']},
            {'metric': 'false wakes per hour', 'value': round(false / hours, 2),
             'data': f'{round(hours, 2)} h of speech and noise never trained on', 'count': false}],
        'description': f'The word "{options.word}" in 1.44 s of 16 kHz sound.'})


def main():
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    data = load(options.data, options.word, options.cache)
    if options.validate:
        data['judge']['words'] = data['recorded'][::4]
        data['recorded'] = [s for at, s in enumerate(data['recorded']) if at % 4 != 0]
    net = KeywordNet(2, WIDTHS)
    print(json.dumps({'parameters': sum(p.numel() for p in net.parameters()),
                      'recorded': len(data['recorded']), 'generated': len(data['words'])}), flush=True)
    average = net
    for line, average in train(net, data, options):
        print(json.dumps(line), flush=True)
    found = judge(average, MEL, data['judge'])
    print(json.dumps(found), flush=True)
    if not options.validate:
        torch.save(average.state_dict(), options.cache / f'{options.word}.pt')
        write(average, found, options)


if __name__ == '__main__':
    main()
