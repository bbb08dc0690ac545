"""A small residual network over log-mel frames."""
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


class Differences(nn.Conv2d):
    """A convolution whose kernels sum to zero: what is added to all of its input changes nothing."""

    def levelled(self):
        return self.weight - self.weight.mean((1, 2, 3), keepdim=True)

    def forward(self, x):
        return nn.functional.conv2d(x, self.levelled(), None, self.stride)


class StudentNet(nn.Module):
    """Log-mel [n, frame, band] to logits [n, label] in five steps: each one more costs a microsecond.

    Two look at neighbouring bands and frames with the same weights, the third joins the bands, the last
    two look along time. The first sees differences alone, and no edge, so loudness changes nothing.
    """

    def __init__(self, labels, widths=(16, 32, 64, 64, 64), spans=(5, 3)):
        super().__init__()
        near, wide, joined, before, last = widths
        self.near = nn.Sequential(Differences(1, near, (8, 5), (4, 2), bias=False), nn.BatchNorm2d(near))
        self.wide = step(near, wide, (3, 3), (2, 2), (1, 1))
        self.join = step(wide, joined, (5, 1))
        self.before = step(joined, before, (1, spans[0]), edge=(0, spans[0] // 2))
        self.last = step(before, last, (1, spans[1]), edge=(0, spans[1] // 2))
        self.classify = nn.Linear(last, labels)

    def forward(self, mel):
        x = mel.transpose(1, 2).unsqueeze(1)  # [n, 1, band, frame]
        for layer in (self.near, self.wide, self.join, self.before, self.last):
            x = torch.relu(layer(x))  # at last [n, width, 1, 12]
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
