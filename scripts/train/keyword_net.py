"""Networks over log-mel frames, and a head over speech embeddings."""
import copy

import torch
from torch import nn


def convolve(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride, dropout):
        super().__init__()
        self.first = convolve(inputs, outputs, stride)
        self.second = convolve(outputs, outputs)
        self.drop = nn.Dropout2d(dropout)
        self.short = None if inputs == outputs and stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        kept = x if self.short is None else self.short(x)
        return torch.relu(kept + self.drop(self.second(torch.relu(self.first(x)))))


class KeywordNet(nn.Module):
    """Log-mel [n, frame, band] to logits [n, label]. The loudness of the clip is taken out inside."""

    def __init__(self, labels, widths=(16, 24, 32, 48), dropout=0.1):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 5, (1, 2), 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        blocks, inputs = [], widths[0]
        for outputs in widths[1:]:
            blocks.append(Residual(inputs, outputs, 2, dropout))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(inputs, labels)

    def forward(self, mel):
        centred = (mel - mel.mean((1, 2), keepdim=True)) * 0.5
        x = self.blocks(self.stem(centred.unsqueeze(1)))
        return self.classify(self.drop(x.mean((2, 3))))


def step(inputs, outputs, span, stride=(1, 1), edge=(0, 0)):
    """A convolution and its norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, span, stride, edge, bias=False),
                         nn.BatchNorm2d(outputs))


class StudentNet(nn.Module):
    """Log-mel [n, frame, band] to logits [n, label] in few steps: each one more costs a microsecond.

    Five overlapping groups of bands are looked at with the same weights, then joined; from there on it
    is a residual network over time. The loudness of the clip is taken out inside.
    """

    def __init__(self, labels, widths=(16, 48, 64), inner=(64,)):
        super().__init__()
        groups, joined, width = widths
        self.groups = step(1, groups, (12, 5), (8, 2), (2, 2))
        self.join = step(groups, joined, (5, 1))
        self.down = step(joined, width, (1, 5), (1, 2), (0, 2))
        self.first = nn.ModuleList(step(width, size, (1, 5), edge=(0, 2)) for size in inner)
        self.second = nn.ModuleList(step(size, width, (1, 5), edge=(0, 2)) for size in inner)
        self.classify = nn.Linear(width, labels)

    def forward(self, mel):
        x = (mel - mel.mean((1, 2), keepdim=True)).transpose(1, 2).unsqueeze(1)  # [n, 1, band, frame]
        for layer in (self.groups, self.join, self.down):
            x = torch.relu(layer(x))  # at last [n, width, 1, 13]
        for first, second in zip(self.first, self.second):
            x = torch.relu(x + second(torch.relu(first(x))))
        return self.classify(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class EmbeddingHead(nn.Module):
    """Three speech embeddings of a second, as one row, to logits."""

    def __init__(self, labels, inputs=288, width=256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(inputs, affine=False), nn.Dropout(0.2), nn.Linear(inputs, width), nn.ReLU(),
            nn.Dropout(0.4), nn.Linear(width, labels))

    def forward(self, rows):
        return self.layers(rows)


def cooled(net, heat):
    """A copy whose logits are divided by the temperature, in the last layer."""
    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        net.classify.weight.div_(heat)
        net.classify.bias.div_(heat)
    return net
