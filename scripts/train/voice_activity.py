"""Trains the voice activity model, tells its figures beside Silero's, writes model.onnx."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import activity_judge
from activity_augment import batch
from activity_data import load
from activity_net import FRAMES, ActivityNet
from averaging import blend_into
from log_mel import BANDS, LogMel
from model_file import ROOT, check, export, write_manifest

STREAMS = 12  # in a batch: about 590 windows
RATE_MAX = 6e-3
MEL = LogMel()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='the folder voice/')
    parser.add_argument('--silero', type=Path, required=True, help='silero_vad.onnx, the teacher')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'voice-activity')
    parser.add_argument('--steps', type=int, default=1200)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--rate', type=float, default=RATE_MAX)
    parser.add_argument('--start', type=Path, help='weights to go on from')
    parser.add_argument('--judge', type=Path, help='weights to judge again; trains nothing')
    parser.add_argument('--beside', action='store_true', help="Silero's delays as well")
    return parser.parse_args()


def train(net, data, options):
    """AdamW, one warm cosine cycle. Gives the moving average of the weights."""
    random = (torch.Generator().manual_seed(options.seed), np.random.default_rng(options.seed))
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.steps, pct_start=0.1)
    average, losses, started = copy.deepcopy(net), [], time.time()
    for step in range(options.steps):
        net.train()
        windows, target = batch(data, MEL, STREAMS, random)
        loss = functional.binary_cross_entropy_with_logits(net(windows)[:, 0], target.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        blend_into(average, net, min(0.99, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            print(json.dumps({'step': step + 1, 'loss': round(float(np.mean(losses[-50:])), 4),
                              's': round(time.time() - started)}), flush=True)
    return average


def write(net, found, options):
    path = options.out / 'model.onnx'
    generator = torch.Generator().manual_seed(options.seed)
    example = torch.randn(48, FRAMES, BANDS, generator=generator) * 2 - 6
    export(net, example, ['mel'], ['logit'], path)
    print(json.dumps({'difference': check(net, example, ['logit'], path, options.cache / 'check'),
                      'bytes': path.stat().st_size}))
    write_manifest(path, {
        'name': 'voice-activity', 'version': '1.0.0', 'precision': 'fp32',
        'inputs': [{'name': 'mel', 'type': 'float32', 'shape': ['N', FRAMES, BANDS]}],
        'outputs': [{'name': 'logit', 'type': 'float32', 'shape': ['N', 1]}],
        'licence': 'MIT',
        'origin': 'Trained by scripts/train/voice_activity.py on Speech Commands v0.02 (CC BY 4.0), '
                  'spoken commands, wake words and kitchen noise (Apache-2.0); labels by energy and '
                  'by Silero VAD (MIT).',
        'accuracy': found,
        'description': 'Whether the newest 20 ms of about one second of sound are speech.'})


def main():
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    net = ActivityNet()
    print(json.dumps({'parameters': sum(p.numel() for p in net.parameters())}), flush=True)
    if options.judge:
        net.load_state_dict(torch.load(options.judge))
    else:
        if options.start:
            net.load_state_dict(torch.load(options.start))
        net = train(net, load(options.data, options.silero, options.cache), options)
        torch.save(net.state_dict(), options.cache / 'voice-activity.pt')
    found = activity_judge.judge(net, options)
    if not options.judge:
        write(net, found, options)


if __name__ == '__main__':
    main()
