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
