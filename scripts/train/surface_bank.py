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
CHANNELS, CELLS = 128, 28


def cell_target(masks, labels):
    """The class of each cell of 8x8 pixels, 0 where it is clear. [n, h / 8, w / 8]"""
    bad = functional.max_pool2d(masks, 8)[:, 0] > 0.3
    return torch.where(bad, labels[:, None, None], 0)


def stem_of(stem, planes):
    """The stem's features of planes, in half the bytes. [n, 128, 28, 28]"""
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        return stem(planes.contiguous(memory_format=torch.channels_last)).bfloat16()


def version(data, rows, fold, random):
    """One changed copy of each of these tiles: planes, cell classes, labels."""
    rng, generator = random
    drawn = [changed_tile(row, data, fold, rng) for row in rows]
    tiles, masks = (torch.from_numpy(np.stack([d[k] for d in drawn]))[:, None] for k in (0, 1))
    centres = torch.from_numpy(rng.uniform(-0.08, 0.08, (len(rows), 2))).float()
    tiles, masks = view(relight(tiles, generator), masks, centres, generator)
    labels = torch.tensor([d[2] for d in drawn])
    return standardise(tiles), cell_target(masks, labels), labels


def open_bank(data, fold, stem, cache, versions, seed=1):
    """Dict of features bfloat16 [version, tile, 128, 28, 28], cells and labels of every copy. Copy 0 is
    the tile as it is, copy 1 its mirror image. A version that is there already is not made again."""
    folder = Path(cache) / 'bank'
    folder.mkdir(parents=True, exist_ok=True)
    parts, count = [], len(data['labels'])
    for number in range(versions):
        path = folder / f'{number}.pt'
        if not path.exists():
            started = time.time()
            made = make_version(data, fold, stem, number, seed)
            torch.save(made, path)
            print(json.dumps({'bank': number, 'of': versions, 's': round(time.time() - started)}), flush=True)
        parts.append(torch.load(path))
    return {key: torch.stack([part[key] for part in parts]) for key in ('features', 'cells', 'labels')}


def make_version(data, fold, stem, number, seed):
    """One copy of every tile through the stem."""
    random = (np.random.default_rng([seed, number]), torch.Generator().manual_seed(seed * 1000 + number))
    made = {'features': [], 'cells': [], 'labels': []}
    for rows in torch.arange(len(data['labels'])).split(AT_ONCE):
        rows = rows.numpy()
        if number < 2:
            tiles, masks = (torch.from_numpy(data[k][rows])[:, None].float() / 255
                            for k in ('tiles', 'masks'))
            if number == 1:
                tiles, masks = tiles.flip(3), masks.flip(3)
            labels = torch.from_numpy(data['labels'][rows])
            planes, cells = standardise(tiles), cell_target(masks, labels)
        else:
            planes, cells, labels = version(data, rows, fold, random)
        for key, value in (('features', stem_of(stem, planes)), ('cells', cells.to(torch.uint8)),
                           ('labels', labels)):
            made[key].append(value)
    return {key: torch.cat(values) for key, values in made.items()}
