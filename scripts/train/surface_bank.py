"""What the stem, which is not trained, makes of every tile and of changed copies of it: once for all."""
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from surface_augment import changed_tile, relight, view
from surface_net import standardise

AT_ONCE = 16
SEED = 1


def cell_target(masks, labels):
    """The class of each cell of 8x8 pixels, 0 where it is clear. [n, h / 8, w / 8]"""
    bad = functional.max_pool2d(masks, 8)[:, 0] > 0.3
    return torch.where(bad, labels[:, None, None], 0)


def stem_of(stem, planes):
    """The stem's features of planes, in half the bytes. [n, 128, 28, 28]"""
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        return stem(planes.contiguous(memory_format=torch.channels_last)).bfloat16()


def changed(data, rows, fold, random):
    """One changed copy of each of these tiles: pictures 0..1, cell classes, labels."""
    rng, generator = random
    drawn = [changed_tile(row, data, fold, rng) for row in rows]
    tiles, masks = (torch.from_numpy(np.stack([d[k] for d in drawn]))[:, None] for k in (0, 1))
    centres = torch.from_numpy(rng.uniform(-0.08, 0.08, (len(rows), 2))).float()
    tiles, masks = view(relight(tiles, generator), masks, centres, generator)
    labels = torch.tensor([d[2] for d in drawn])
    return tiles, cell_target(masks, labels), labels


def as_taken(data, rows, mirrored):
    """The tiles themselves, or their mirror images."""
    tiles, masks = (torch.from_numpy(data[k][rows])[:, None].float() / 255 for k in ('tiles', 'masks'))
    if mirrored:
        tiles, masks = tiles.flip(3), masks.flip(3)
    labels = torch.from_numpy(data['labels'][rows])
    return tiles, cell_target(masks, labels), labels


def copies(data, fold, number, seed=SEED):
    """One copy of every tile, a few at a time, the same on every call."""
    random = (np.random.default_rng([seed, number]), torch.Generator().manual_seed(seed * 1000 + number))
    for rows in torch.arange(len(data['labels'])).split(AT_ONCE):
        rows = rows.numpy()
        yield as_taken(data, rows, number == 1) if number < 2 else changed(data, rows, fold, random)


def pictures(data, fold, number):
    """The pictures of a copy of every tile. uint8 [tile, side, side]"""
    return torch.cat([(tiles[:, 0] * 255).round().to(torch.uint8)
                      for tiles, _, _ in copies(data, fold, number)])


def open_bank(data, fold, stem, cache, versions):
    """Dict of features bfloat16 [version, tile, 128, 28, 28], cells and labels of every copy. Copy 0 is
    the tile as it is, copy 1 its mirror image. A version that is there already is not made again."""
    folder = Path(cache) / 'surface-bank'
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number in range(versions):
        path, started = folder / f'{number}.pt', time.time()
        if not path.exists():
            torch.save(through_stem(stem, copies(data, fold, number)), path.with_suffix('.partial'))
            path.with_suffix('.partial').rename(path)
            print(json.dumps({'bank': number + 1, 'of': versions, 's': round(time.time() - started)}),
                  flush=True)
        parts.append(torch.load(path))
    return {key: torch.stack([part.pop(key) for part in parts])
            for key in ('features', 'cells', 'labels')}


def through_stem(stem, chunks):
    """Features, cells and labels of one copy of every tile."""
    made = [(stem_of(stem, standardise(tiles)), cells.to(torch.uint8), labels)
            for tiles, cells, labels in chunks]
    return {key: torch.cat([chunk[k] for chunk in made])
            for k, key in enumerate(('features', 'cells', 'labels'))}
