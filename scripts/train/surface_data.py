"""Magnetic tiles in memory, split by part."""
import hashlib
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

LABELS = ['free', 'blowhole', 'break', 'crack', 'fray', 'uneven']

# The number in a file's name counts the shots of one session: a part is taken under up to six
# exposures (exp1..exp6) one after the other. Pictures 150 shots apart still correlate, pictures 200
# apart no more than any two; twice that distance keeps every part on one side.
PART_GAP = 400

# Some tiles were taken again later. Their inner parts without grinding marks correlate by more than
# this; pictures of different tiles reach 0.26 once in ten thousand pairs.
SAME_TILE = 0.3
ROOT = Path(__file__).resolve().parents[2]


def load_tiles(data, cache):
    """Dict of tiles and masks [n, side, side] uint8, labels, parts, files."""
    folder = Path(cache) / 'tiles'
    if not (folder / 'tiles.json').exists():
        subprocess.run(['npx', 'tsx', 'scripts/train/tile-cache.ts', '--data', str(Path(data).resolve()),
                        '--out', str(folder)], check=True, cwd=ROOT)
    index = json.loads((folder / 'tiles.json').read_text())
    shape = (len(index['rows']), index['side'], index['side'])
    files = [row['file'] for row in index['rows']]
    tiles = np.fromfile(folder / 'tiles.bin', np.uint8).reshape(shape)
    return {'tiles': tiles,
            'masks': np.fromfile(folder / 'masks.bin', np.uint8).reshape(shape),
            'labels': np.array([LABELS.index(row['label']) for row in index['rows']]),
            'parts': merge_alike(parts_of(files), tiles), 'files': np.array(files)}


def parts_of(files):
    """The part of each file: the first shot number of its run of close numbers."""
    numbers = np.array([int(re.search(r'_num_(\d+)', name)[1]) for name in files])
    order = np.argsort(numbers, kind='stable')
    parts, first, last = np.zeros(len(files), np.int64), None, None
    for row in order:
        if last is None or numbers[row] - last > PART_GAP:
            first = numbers[row]
        last = numbers[row]
        parts[row] = first
    return parts


def merge_alike(parts, tiles):
    """The parts with those joined that show the same tile again."""
    pixels = torch.from_numpy(tiles).float()[:, None]
    fine = pixels - functional.interpolate(functional.avg_pool2d(pixels, 8), scale_factor=8,
                                           mode='bilinear', align_corners=False)
    fine = functional.avg_pool2d(fine[:, :, 32:-32, 32:-32], 2)
    fine = (fine - fine.mean(2, keepdim=True)).flatten(1)
    fine = functional.normalize(fine - fine.mean(1, keepdim=True))
    merged = parts.copy()
    for a, b in (fine @ fine.T > SAME_TILE).nonzero().numpy():
        merged[merged == merged[b]] = merged[a]
    return merged


def fold_of(parts, labels, folds=5):
    """A fold for each picture: parts of each rarest class are dealt out in the order of their hash."""
    order_of_class = np.argsort(np.bincount(labels, minlength=len(LABELS)))
    rank = np.argsort(order_of_class)
    dealt = {}
    for label in order_of_class:
        mine = [part for part in np.unique(parts)
                if min(rank[labels[parts == part]]) == rank[label]]
        mine.sort(key=lambda part: hashlib.sha256(f'part:{part}'.encode()).hexdigest())
        for index, part in enumerate(mine):
            dealt[part] = (index + int(rank[label])) % folds
    return np.array([dealt[part] for part in parts])
