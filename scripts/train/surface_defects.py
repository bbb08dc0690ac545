"""Defects drawn on free tiles: more shapes of each kind than the few parts that show one."""
import numpy as np
import torch
from torch.nn import functional


def smooth_noise(side, coarse, rng):
    """Noise [side, side] of about unit spread that changes over side / coarse pixels."""
    grid = torch.from_numpy(rng.standard_normal((1, 1, coarse, coarse)).astype(np.float32))
    return functional.interpolate(grid, (side, side), mode='bicubic', align_corners=True)[0, 0].numpy()


def coordinates(side):
    """Rows and columns of a picture's pixels."""
    return np.mgrid[0:side, 0:side].astype(np.float32)


def blurred(image, width):
    """The mean of width x width pixels around each."""
    pixels = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    return functional.avg_pool2d(pixels, width, 1, width // 2, count_include_pad=False)[0, 0].numpy()


def ellipse(side, centre, radii, turn):
    """1 in the middle, 0 on the rim, negative outside."""
    y, x = coordinates(side)
    y, x = y - centre[0], x - centre[1]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return 1 - np.sqrt((along / radii[0]) ** 2 + (across / radii[1]) ** 2)


def blowhole(tile, rng):
    """A small dark pit of uneven outline, now and then two or three beside each other."""
    side = len(tile)
    shape = np.full(tile.shape, -1, np.float32)
    middle = rng.uniform(0.05, 0.95, 2) * side
    radius = np.exp(rng.uniform(np.log(1.8), np.log(9)))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        radii = (radius * rng.uniform(1, 2.2), radius / rng.uniform(1, 1.8))
        pit = ellipse(side, middle + rng.normal(0, radius * 1.5, 2), radii, rng.uniform(0, np.pi))
        shape = np.maximum(shape, pit)
    shape = shape + 0.25 * smooth_noise(side, 48, rng)
    soft = np.clip(shape * rng.uniform(1.5, 5), 0, 1)
    rim = np.clip(1 - abs(shape + 0.3) * 3, 0, 1) * rng.uniform(0, 0.15)
    return tile * (1 - soft * rng.uniform(0.3, 0.85) + rim), soft > 0.3


def crack(tile, rng):
    """A thin dark line that wanders, mostly along or across the tile."""
    side = len(tile)
    shade = np.zeros(tile.shape, np.float32)
    heading = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.1)
    bend, at = rng.normal(0, 0.01), rng.uniform(0.05, 0.95, 2) * side
    width = rng.uniform(0.5, 1.3)
    y, x = coordinates(11)
    for _ in range(int(rng.uniform(15, 130))):
        heading += bend + rng.normal(0, 0.12)
        at = at + np.array([np.sin(heading), np.cos(heading)])
        top, left = int(at[0]) - 5, int(at[1]) - 5
        if min(top, left) < 0 or max(top, left) + 11 > side:
            break
        spot = np.exp(-((y - 5 - at[0] % 1) ** 2 + (x - 5 - at[1] % 1) ** 2) / (2 * width ** 2))
        part = shade[top:top + 11, left:left + 11]
        np.maximum(part, spot, out=part)
    return tile * (1 - shade * rng.uniform(0.2, 0.6)), shade > 0.4


def broken(tile, rng):
    """A piece out of an edge or a corner: another, smoother face under a rim."""
    side = len(tile)
    y, x = coordinates(side)
    edge = [y, x, side - 1 - y, side - 1 - x][rng.integers(4)]
    along = x if edge is y or (edge[0, 0] == side - 1 and edge[0, -1] == side - 1) else y
    depth, half = np.exp(rng.uniform(np.log(5), np.log(45))), np.exp(rng.uniform(np.log(6), np.log(50)))
    bow = 1 - np.abs((along - rng.uniform(0, side)) / half) ** rng.uniform(1, 3)
    shape = depth * bow - edge + smooth_noise(side, 28, rng) * depth * 0.12
    soft = np.clip(shape / 2, 0, 1)
    face = blurred(tile, 15).mean() * rng.choice([rng.uniform(0.25, 0.85), rng.uniform(1.1, 1.7)])
    face = face * (1 + 0.12 * smooth_noise(side, int(rng.integers(6, 40)), rng))
    rim = np.clip(1 - abs(shape) / 2, 0, 1) * rng.uniform(-0.4, 0.3)
    return (tile * (1 - soft) + face * soft) * (1 + rim), soft > 0.3


def fray(tile, rng):
    """A large tongue that the grinding left out: smooth, darker, with a rim."""
    side = len(tile)
    radii = (rng.uniform(0.18, 0.55) * side, rng.uniform(0.06, 0.2) * side)
    centre = rng.uniform(0.25, 0.75, 2) * side
    shape = ellipse(side, centre, radii, np.pi / 2 + rng.normal(0, 0.1))
    shape = shape + 0.06 * smooth_noise(side, 16, rng)
    soft = np.clip(shape * 12, 0, 1)
    face = blurred(tile, 31) * rng.uniform(0.6, 1.0)
    face = face * (1 + 0.04 * smooth_noise(side, 64, rng) + 0.05 * smooth_noise(side, 6, rng))
    rim = np.clip(1 - abs(shape) * 20, 0, 1) * rng.uniform(-0.2, 0.25)
    return (tile * (1 - soft) + face * soft) * (1 + rim), soft > 0.3


def uneven(tile, rng):
    """A region across the tile or a patch on it with other light or other grinding marks."""
    side = len(tile)
    y, x = coordinates(side)
    if rng.random() < 0.6:
        cut, slope = rng.uniform(0.1, 0.45) * side, rng.normal(0, 0.12)
        shape = cut + slope * (x - side / 2) - (y if rng.random() < 0.5 else side - 1 - y)
    else:
        half, centre = rng.uniform(0.12, 0.4, 2) * side, rng.uniform(0.15, 0.85, 2) * side
        shape = np.minimum(half[0] - abs(y - centre[0]), half[1] - abs(x - centre[1]))
    shape = shape + smooth_noise(side, 10, rng) * 4
    soft = np.clip(shape / rng.uniform(1, 12) + 0.5, 0, 1)
    calm = blurred(tile, 9)
    light = rng.choice([rng.uniform(0.6, 0.88), rng.uniform(1.12, 1.5)])
    changed = calm * light + (tile - calm) * rng.choice([rng.uniform(0.2, 0.7), rng.uniform(1, 2.5)])
    return tile * (1 - soft) + changed * soft, soft > 0.5


# By the labels' numbers: blowhole, break, crack, fray, uneven.
KINDS = {1: blowhole, 2: broken, 3: crack, 4: fray, 5: uneven}


def draw_defect(tile, rng):
    """A free tile of 0..255 with one defect drawn on it, its mask (0 or 1) and its label."""
    label = int(rng.choice(list(KINDS)))
    changed, mask = KINDS[label](tile, rng)
    return np.clip(changed, 0, 255).astype(np.float32), mask.astype(np.float32), label
