"""A small fully convolutional network: where a tile is bad, and what it has, in one pass."""
import torch
from torch import nn
from torch.nn import functional

CELL = 8  # pixels: side of a cell of the heat map


def convolve(inputs, outputs, stride=1, dilation=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1, dilation=1, dropout=0.0):
        super().__init__()
        self.first = convolve(inputs, outputs, stride, dilation)
        self.second = convolve(outputs, outputs, 1, dilation)
        self.drop = nn.Dropout2d(dropout)
        self.short = None if inputs == outputs and stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        kept = x if self.short is None else self.short(x)
        return torch.relu(kept + self.drop(self.second(torch.relu(self.first(x)))))


def surroundings(x, across):
    """The mean of 5 cells down, and as many across where told, around each pixel, off a grid of cells."""
    cell, reach = ((CELL, CELL), (5, 5)) if across else ((CELL, 1), (5, 1))
    coarse = functional.avg_pool2d(x, cell)
    middle = (reach[0] // 2, reach[1] // 2)
    coarse = functional.avg_pool2d(coarse, reach, 1, middle, count_include_pad=False)
    factor = tuple(float(size) for size in cell)
    return functional.interpolate(coarse, scale_factor=factor, mode='bilinear', align_corners=False)


def standardise(grey):
    """Grey [n, 1, h, w] without the picture's light and contrast; that without its surroundings'; and
    that without the grinding marks, which run down the tile. [n, 3, h, w]"""
    centred = grey - grey.mean((2, 3), keepdim=True)
    whole = centred / ((centred * centred).mean((2, 3), keepdim=True).sqrt() + 1e-3)
    apart = whole - surroundings(whole, True)
    spread = surroundings(apart * apart, True).sqrt() + 0.1
    unmarked = whole - surroundings(whole, False)
    return torch.cat([whole, apart / spread, unmarked / spread], 1)


class SurfaceNet(nn.Module):
    """Grey uint8 [n, 256, 256, 1] to class logits [n, 6] and how bad each cell is, 0..1 [n, 32, 32]."""

    def __init__(self, labels, widths=(16, 24, 40)):
        super().__init__()
        stem, middle, wide = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 5, 2, 2, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
        self.body = nn.Sequential(
            Residual(stem, middle, 2), Residual(middle, wide, 2),
            Residual(wide, wide, 1, 2, 0.1), Residual(wide, wide, 1, 4, 0.1))
        self.cells = nn.Conv2d(wide, labels, 1)
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(wide * 2 + labels * 2, labels)

    def cell_logits(self, standard):
        found = self.body(self.stem(standard))  # [n, wide, 32, 32]
        return found, self.cells(found)

    def class_logits(self, found, cells):
        pooled = [found.mean((2, 3)), found.amax((2, 3)), cells.mean((2, 3)), cells.amax((2, 3))]
        return self.classify(self.drop(torch.cat(pooled, 1)))

    def forward(self, pixels):
        found, cells = self.cell_logits(standardise(pixels.float().permute(0, 3, 1, 2) / 255))
        heatmap = 1 - torch.softmax(cells, 1)[:, 0]
        return self.class_logits(found, cells), heatmap
