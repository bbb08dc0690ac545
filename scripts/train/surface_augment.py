"""Changed copies of tiles: defects carried over or drawn on, flips, zoom, light, noise."""
import math

import numpy as np
import torch
from torch.nn import functional

from surface_defects import draw_defect

PASTE_SHARE, DRAWN_SHARE = 0.25, 0.3  # of the copies of free tiles
MASK_PIXELS_MIN = 12  # fewer do not show


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


def changed_tile(row, data, fold, rng):
    """A tile, its mask (0..1) and its label; a free one may get a defect, drawn or another tile's of its
    own fold, so that no part that judges a model is seen by it."""
    tile, label = data['tiles'][row].astype(np.float32), int(data['labels'][row])
    chance = rng.random()
    if label == 0 and chance < PASTE_SHARE:
        others = (data['labels'] > 0) & (data['labels'] < 5) & (fold == fold[row])
        other = int(rng.choice(np.flatnonzero(others)))
        pasted = paste(tile, data['tiles'][other].astype(np.float32),
                       (data['masks'][other] > 64).astype(np.float32), rng)
        if pasted is not None:
            return (*pasted, int(data['labels'][other]))
    elif label == 0 and chance < PASTE_SHARE + DRAWN_SHARE:
        drawn = draw_defect(tile, rng)
        if drawn[1].sum() >= MASK_PIXELS_MIN:
            return drawn
    return tile, data['masks'][row].astype(np.float32) / 255, label


def view(images, masks, centres, generator):
    """Images [n, 1, side, side] turned a little, flipped and zoomed, and their masks alike."""
    n = len(images)
    flip = torch.randint(0, 2, (n, 2), generator=generator) * 2.0 - 1
    zoom = torch.empty(n, 2).uniform_(0.75, 1.2, generator=generator)
    turn = torch.empty(n).uniform_(-0.05, 0.05, generator=generator) * math.pi
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = flip[:, 0] * zoom[:, 0] * turn.cos()
    theta[:, 0, 1] = -flip[:, 1] * zoom[:, 1] * turn.sin()
    theta[:, 1, 0] = flip[:, 0] * zoom[:, 0] * turn.sin()
    theta[:, 1, 1] = flip[:, 1] * zoom[:, 1] * turn.cos()
    theta[:, :, 2] = centres
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
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
