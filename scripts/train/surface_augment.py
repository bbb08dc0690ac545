"""Augmentation of tiles: defects carried over to free tiles, flips, zoom, crops, light, noise."""
import math

import numpy as np
import torch
from torch.nn import functional

PASTE_SHARE = 0.3
ON_DEFECT_SHARE = 0.85  # crops of a bad tile that are laid around a bad pixel


def paste(tile, source, mask, rng):
    """A defect of one tile laid on another, with the ratio to its own surroundings kept."""
    if rng.random() < 0.5:
        source, mask = source[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        source, mask = source[::-1], mask[::-1]
    soft = torch.from_numpy(mask.copy())[None, None]
    soft = functional.avg_pool2d(functional.max_pool2d(soft, 7, 1, 3), 5, 1, 2)
    near = functional.max_pool2d(functional.max_pool2d(soft, 8), 5, 1, 2)
    near = functional.interpolate(near, scale_factor=8)[0, 0].numpy()
    soft = soft[0, 0].numpy()
    around = (near > 0) & (soft == 0)
    if not around.any():
        return None
    shift = (int(rng.integers(-24, 25)), int(rng.integers(-24, 25)))
    level = max(20.0, float(source[around].mean()))
    ratio = 1 + (source / level - 1) * soft
    ratio, moved = np.roll(ratio, shift, (0, 1)), np.roll(mask, shift, (0, 1))
    return np.clip(tile * ratio, 0, 255), moved


def sample(row, data, rng):
    """One tile, its mask (0..1) and its label; a free one may get a defect of another tile."""
    tile = data['tiles'][row].astype(np.float32)
    mask = data['masks'][row].astype(np.float32) / 255
    label = int(data['labels'][row])
    if label == 0 and rng.random() < PASTE_SHARE:
        other = int(rng.choice(np.flatnonzero((data['labels'] > 0) & (data['labels'] < 5))))
        pasted = paste(tile, data['tiles'][other].astype(np.float32),
                       (data['masks'][other] > 64).astype(np.float32), rng)
        if pasted is not None:
            return (*pasted, int(data['labels'][other]))
    return tile, mask, label


def crop_centre(mask, share, rng):
    """The middle of a crop of that share of the side, -1..1, often around a bad pixel."""
    reach = 1 - share
    centre = rng.uniform(-reach, reach, 2)
    if mask.max() > 0.3 and rng.random() < ON_DEFECT_SHARE:
        bad = np.argwhere(mask > 0.3)
        y, x = bad[rng.integers(len(bad))] / (len(mask) - 1) * 2 - 1
        centre = np.array([x, y]) + rng.uniform(-0.8, 0.8, 2) * share
    return np.clip(centre, -reach, reach)


def view(images, masks, centres, share, generator):
    """Crops [n, 1, side, side] turned a little, flipped and zoomed, of images and masks alike."""
    n, side = len(images), int(images.shape[-1] * share)
    flip = torch.randint(0, 2, (n, 2), generator=generator) * 2.0 - 1
    zoom = torch.empty(n, 2).uniform_(0.75, 1.2, generator=generator) * share
    turn = torch.empty(n).uniform_(-0.05, 0.05, generator=generator) * math.pi
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = flip[:, 0] * zoom[:, 0] * turn.cos()
    theta[:, 0, 1] = -flip[:, 1] * zoom[:, 1] * turn.sin()
    theta[:, 1, 0] = flip[:, 0] * zoom[:, 0] * turn.sin()
    theta[:, 1, 1] = flip[:, 1] * zoom[:, 1] * turn.cos()
    theta[:, :, 2] = centres
    grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
    images = functional.grid_sample(images, grid, align_corners=False, padding_mode='border')
    return images, functional.grid_sample(masks, grid, align_corners=False)


def relight(tiles, generator):
    """Tiles [n, 1, side, side] of 0..255 under other light, exposure and noise, as 0..1."""
    n = len(tiles)
    light = torch.empty(n, 1, 3, 3).uniform_(0.8, 1.2, generator=generator)
    light = functional.interpolate(light, tiles.shape[2:], mode='bicubic', align_corners=True)
    gamma = torch.empty(n, 1, 1, 1).uniform_(0.65, 1.5, generator=generator)
    tiles = (tiles * light / 255).clamp(1e-3, 1) ** gamma
    level = torch.empty(n, 1, 1, 1).uniform_(0, 0.02, generator=generator)
    return (tiles + torch.randn(tiles.shape, generator=generator) * level).clamp(0, 1)
