"""The network of version 1.0.0, trained from nothing on far more crops: a teacher, and half of the pair."""
import json
import subprocess

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from model_file import ROOT
from surface_net import SPREAD, heat_of, standardise

WIDER = 8 / 7  # it was trained on 256 pixels, the flow gives 224; a factor keeps the exported sizes fixed
WIDTHS = (16, 24, 40, 40, 40)


class Residual(nn.Module):
    """Two convolutions beside a short cut; batch norms are within the weights."""

    def __init__(self, inputs, outputs, stride, dilation):
        super().__init__()
        changes = inputs != outputs or stride != 1
        self.short = nn.Conv2d(inputs, outputs, 1, stride) if changes else None
        self.first = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation)

    def forward(self, x):
        kept = x if self.short is None else self.short(x)
        return torch.relu(kept + self.second(torch.relu(self.first(x))))


class FirstNet(nn.Module):
    """Grey [n, 1, 224, 224] 0..1 to class logits and heat [n, 32, 32]."""

    def __init__(self, labels):
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.stem = nn.Conv2d(3, a, 5, 2, 2)
        self.body = nn.Sequential(Residual(a, b, 2, 1), Residual(b, c, 2, 1),
                                  Residual(c, d, 1, 2), Residual(d, e, 1, 4))
        self.cells = nn.Conv2d(e, labels, 1)
        self.classify = nn.Linear(e * 2 + labels * 2, labels)

    def forward(self, grey):
        wider = functional.interpolate(grey, scale_factor=WIDER, mode='bilinear', align_corners=False)
        found = self.body(torch.relu(self.stem(standardise(wider) / SPREAD)))
        cells = self.cells(found)
        pooled = [found.mean((2, 3)), found.amax((2, 3)), cells.mean((2, 3)), cells.amax((2, 3))]
        return self.classify(torch.cat(pooled, 1)), heat_of(cells)


def load_first(path, labels, cache):
    """The network of a model.onnx of version 1.0.0, whose convolutions stand in the order of the graph."""
    kept = cache / 'surface-first'
    subprocess.run(['npx', 'tsx', 'scripts/train/onnx-weights.ts', '--model', str(path.resolve()),
                    '--out', str(kept)], check=True, cwd=ROOT)
    net, at, found = FirstNet(labels), 0, []
    numbers = np.fromfile(kept / 'weights.bin', np.float32)
    for _, dims, _ in json.loads((kept / 'weights.json').read_text()):
        size = int(np.prod(dims))
        found.append(torch.from_numpy(numbers[at:at + size].reshape(dims).copy()))
        at += size
    ours = [net.cells, net.classify, net.stem]
    for block in net.body:
        ours += [layer for layer in (block.short, block.first, block.second) if layer is not None]
    for layer, weight, bias in zip(ours, found[0::2], found[1::2]):
        layer.weight.data.copy_(weight)
        layer.bias.data.copy_(bias)
    return net.eval()


def mean_of(one, other):
    """The mean of two answers: log chances of the classes, and heat on the first one's cells."""
    logits = (torch.log_softmax(one[0], 1) + torch.log_softmax(other[0], 1)) / 2
    heat = functional.interpolate(other[1][:, None], scale_factor=1 / WIDER, mode='bilinear',
                                  align_corners=False)
    return logits, (one[1] + heat[:, 0]) / 2


class Pair(nn.Module):
    """Grey uint8 [n, 224, 224, 1] to the mean of what two networks say, in one pass."""

    def __init__(self, net, first):
        super().__init__()
        self.net, self.first = net, first

    def forward(self, pixels):
        return mean_of(self.net(pixels), self.first(pixels.float().permute(0, 3, 1, 2) / 255))
