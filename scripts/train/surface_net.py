"""Where a tile is bad, and what it has, in one pass: SqueezeNet's first layers, a map and a class."""
import torch
from torch import nn
from torch.nn import functional

from squeezenet import FIRES, Fire, adopt

CELL = 8  # pixels: side of a cell of the heat map
SPREAD = 50  # what SqueezeNet takes is grey levels, mean taken off


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
    return torch.cat([whole, apart / spread, unmarked / spread], 1) * SPREAD


class Body(nn.Module):
    """The stem's [n, 128, 28, 28] to class logits [n, labels] and cell logits [n, labels, 28, 28]."""

    def __init__(self, labels, last=7, wide=64, dropout=0.2):
        super().__init__()
        self.fires = [f'fire{k}' for k in range(4, last + 1)]
        for k in range(4, last + 1):
            self.add_module(f'fire{k}', Fire(*FIRES[k]))
        top = 2 * FIRES[last][2]
        self.fine, self.near = nn.Conv2d(128, wide, 1), nn.Conv2d(256, wide, 1)
        self.far, self.mix = nn.Conv2d(top, wide, 1), nn.Conv2d(wide, wide, 3, 1, 1)
        self.cells = nn.Conv2d(wide, labels, 1)
        self.drop_maps, self.drop = nn.Dropout2d(dropout), nn.Dropout(dropout)
        self.classify = nn.Linear(wide * 2 + top + labels * 2, labels)
        self.begin_small()

    def begin_small(self):
        """SqueezeNet's numbers are large: new layers on top of them begin with small weights."""
        with torch.no_grad():
            for layer in (self.fine, self.near, self.far):
                layer.weight.mul_(0.1)
            self.classify.weight.mul_(0.1)
            self.classify.bias.zero_()

    def forward(self, found):
        near = self.fire5(self.fire4(found))
        far = functional.max_pool2d(near, 3, 2, 1)
        for name in self.fires[2:]:
            far = getattr(self, name)(far)
        wider = functional.interpolate(self.far(far), scale_factor=2.0, mode='bilinear',
                                       align_corners=False)
        joined = self.drop_maps(torch.relu(self.fine(found) + self.near(near) + wider))
        joined = torch.relu(self.mix(joined))
        cells = self.cells(joined)
        heat = heat_of(cells)[:, None]
        share = heat / (heat.sum((2, 3), keepdim=True) + 1)
        pooled = [(joined * share).sum((2, 3)), joined.mean((2, 3)), far.mean((2, 3)),
                  cells.amax((2, 3)), cells.mean((2, 3))]
        return self.classify(self.drop(torch.cat(pooled, 1))), cells


def heat_of(cells):
    """How bad each cell is, 0..1. [n, 28, 28]"""
    return 1 - torch.softmax(cells.float(), 1)[:, 0]


class SurfaceNet(nn.Module):
    """Grey uint8 [n, 224, 224, 1] to class logits [n, labels] and how bad each cell is [n, 28, 28]."""

    def __init__(self, stem, body):
        super().__init__()
        self.stem, self.body = stem, body

    def forward(self, pixels):
        planes = standardise(pixels.float().permute(0, 3, 1, 2) / 255)
        logits, cells = self.body(self.stem(planes))
        return logits, heat_of(cells)


def new_body(weights, labels, last):
    """A body that begins with those of these weights that have its names and shapes."""
    body = Body(labels, last)
    adopt(body, weights)
    return body
