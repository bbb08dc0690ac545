"""Trains the surface model on magnetic tiles, tells what it reaches on parts it never saw."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from averaging import blend_into
from model_file import ROOT, check, export, write_manifest
from surface_augment import crop_centre, relight, sample, view
from surface_data import LABELS, fold_of, load_tiles
from surface_net import CELL, SurfaceNet, standardise

FREE_SHARE = 0.5  # of the tiles drawn for a batch
CELL_WEIGHTS = torch.tensor([1.0, 3, 3, 3, 3, 1.5])
TEST_FOLD = 0
VALIDATION_FOLD = 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='magnetic-tile: one folder a class')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--crops', type=int, default=1400, help='steps on crops')
    parser.add_argument('--wholes', type=int, default=700, help='steps on whole tiles')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--validate', action='store_true',
                        help='judge by another fold, never look at the test fold; write nothing')
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'surface-inspection')
    parser.add_argument('--link-held', type=Path,
                        help='only link the tiles of the test fold into <folder>/<class>/')
    return parser.parse_args()


def auroc(scores, positive):
    """Area under the ROC curve by ranks, ties halved."""
    order = np.argsort(scores, kind='stable')
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        ranks[scores == value] = ranks[scores == value].mean()
    n = positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def evaluate(net, tiles, masks, labels):
    """AUROC of defect against free, class recall, AUROC of the heatmap's cells."""
    net.eval()
    logits, heat = [], []
    with torch.no_grad():
        for part in torch.from_numpy(tiles).split(16):
            out = net(part[..., None])
            logits.append(out[0])
            heat.append(out[1])
    logits, heat = torch.cat(logits), torch.cat(heat)
    chance = torch.softmax(logits, 1).numpy()
    said = chance.argmax(1)
    truth = functional.max_pool2d(torch.from_numpy(masks).float()[:, None] / 255, 8)[:, 0] > 0.3
    recall = {LABELS[k]: round(float((said[labels == k] == k).mean()), 3)
              for k in range(len(LABELS)) if (labels == k).any()}
    top = heat.flatten(1).topk(4, 1).values.mean(1).numpy()
    return {'count': len(labels), 'auroc': round(auroc(1 - chance[:, 0], labels > 0), 4),
            'aurocHeat': round(auroc(top, labels > 0), 4),
            'accuracy': round(float((said == labels).mean()), 4),
            'macroRecall': round(float(np.mean(list(recall.values()))), 4), 'recall': recall,
            'cellAuroc': round(auroc(heat.numpy().ravel(), truth.numpy().ravel()), 4)}


def cell_target(masks, labels):
    """The class of each cell of 8x8 pixels, 0 where it is clear. [n, h / 8, w / 8]"""
    bad = functional.max_pool2d(masks, 8)[:, 0] > 0.3
    return torch.where(bad, labels[:, None, None], 0)


def cell_loss(cells, target):
    """Cross entropy of the cells with defects weighed up, plus the overlap of bad and hot cells."""
    entropy = functional.cross_entropy(cells, target, CELL_WEIGHTS)
    heat = 1 - torch.softmax(cells, 1)[:, 0]
    bad = (target > 0).float()
    overlap = 1 - (2 * (heat * bad).sum() + 1) / (heat.sum() + bad.sum() + 1)
    return entropy + 0.5 * overlap


def draw(data, size, rng):
    """Rows of a batch: FREE_SHARE free, the rest by the square root of its class's size."""
    counts = np.bincount(data['labels'], minlength=len(LABELS)).astype(float)
    share = np.sqrt(counts)
    share[0] = share[1:].sum() * FREE_SHARE / (1 - FREE_SHARE)
    chance = (share / counts)[data['labels']]
    return rng.choice(len(data['labels']), size, p=chance / chance.sum())


def batch_of(data, size, share, random):
    """Augmented tiles [n, 1, side, side] in 0..1, masks and labels; share below 1 gives crops."""
    rng, generator = random
    drawn = [sample(row, data, rng) for row in draw(data, size, rng)]
    tiles, masks = (torch.from_numpy(np.stack([d[k] for d in drawn]))[:, None] for k in (0, 1))
    centres = np.stack([crop_centre(d[1], share, rng) if share < 1 else rng.uniform(-0.06, 0.06, 2)
                        for d in drawn])
    tiles = relight(tiles, generator)
    tiles, masks = view(standardise(tiles), masks, torch.from_numpy(centres).float(), share, generator)
    return tiles, masks, torch.tensor([d[2] for d in drawn])


def train(net, data, options):
    """First where, on crops; then where and what, on whole tiles. Yields the moving average."""
    random = (np.random.default_rng(options.seed), torch.Generator().manual_seed(options.seed))
    average = copy.deepcopy(net)
    for share, steps, size, rate in ((0.5, options.crops, 24, 3e-3), (1, options.wholes, 16, 8e-4)):
        optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.15)
        total, started = [], time.time()
        for step in range(steps):
            net.train()
            standard, masks, labels = batch_of(data, size, share, random)
            found, cells = net.cell_logits(standard)
            loss = cell_loss(cells, cell_target(masks, labels))
            if share == 1:
                logits = net.class_logits(found, cells)
                loss = loss + functional.cross_entropy(logits, labels, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total.append(loss.item())
            blend_into(average, net, min(0.99, (step + 1) / (step + 10)))
            if step % 200 == 199 or step == steps - 1:
                yield {'share': share, 'step': step + 1, 'loss': round(float(np.mean(total)), 4),
                       's': round(time.time() - started)}, average
                total = []


def link_held(files, options):
    """The tiles and masks that the model was not trained on, in the data's own form."""
    for label in LABELS:
        folder = options.link_held / label
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(files):
            for source in (options.data / label).glob(f'{Path(name).stem}.*'):
                if not (folder / source.name).exists():
                    (folder / source.name).symlink_to(source.resolve())


def write(net, tiles, found, options):
    path = options.out / 'model.onnx'
    example = torch.from_numpy(tiles[:12])[..., None]
    outputs = ['classes', 'heatmap']
    export(net, example, ['image'], outputs, path)
    print(json.dumps({'difference': check(net, example, outputs, path, options.cache / 'check'),
                      'bytes': path.stat().st_size}))
    side, cells = tiles.shape[1], tiles.shape[1] // CELL
    held = 'magnetic-tile, parts not trained on (every fifth part)'
    write_manifest(path, {
        'name': 'surface-inspection', 'version': '1.0.0', 'precision': 'fp32',
        'inputs': [{'name': 'image', 'type': 'uint8', 'shape': ['N', side, side, 1]}],
        'outputs': [{'name': 'classes', 'type': 'float32', 'shape': ['N', len(LABELS)]},
                    {'name': 'heatmap', 'type': 'float32', 'shape': ['N', cells, cells]}],
        'labels': LABELS,
        'licence': 'MIT',
        'origin': 'Trained by scripts/train/surface_inspection.py on the magnetic tile defect set of '
                  'Huang, Qiu and Yuan, "Surface defect saliency of magnetic tile", The Visual '
                  'Computer 36 (2020), free to use with this citation.',
        'accuracy': [{'metric': metric, 'value': found[key], 'data': held, 'count': found['count']}
                     for metric, key in (('auroc', 'auroc'), ('accuracy', 'accuracy'),
                                         ('macroRecall', 'macroRecall'))],
        'description': 'What a magnetic tile has, and how bad each cell of 8x8 pixels is.'})


def main():
    options = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    data = load_tiles(options.data, options.cache)
    fold = fold_of(data['parts'], data['labels'])
    if options.link_held:
        return link_held(data['files'][fold == TEST_FOLD], options)
    judged = VALIDATION_FOLD if options.validate else TEST_FOLD
    fit = {k: data[k][(fold != judged) & (fold != TEST_FOLD)] for k in ('tiles', 'masks', 'labels')}
    judge = {k: data[k][fold == judged] for k in ('tiles', 'masks', 'labels')}
    net = SurfaceNet(len(LABELS))
    print(json.dumps({'parameters': sum(p.numel() for p in net.parameters()),
                      'fit': len(fit['labels']), 'held': len(judge['labels'])}), flush=True)
    average = net
    for line, average in train(net, fit, options):
        seen = evaluate(average, **judge) if options.validate else {}
        print(json.dumps({**line, **seen}), flush=True)
    found = evaluate(average, **judge)
    print(json.dumps(found), flush=True)
    if not options.validate:
        torch.save(average.state_dict(), options.cache / 'surface-inspection.pt')
        write(average, judge['tiles'], found, options)


if __name__ == '__main__':
    main()
