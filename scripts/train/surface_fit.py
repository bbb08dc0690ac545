"""Trains a body on the bank's copies, alone or with a teacher's soft answers beside the labels."""
import copy
import json
import time

import numpy as np
import torch
from torch.nn import functional

from averaging import blend_into
from surface_net import heat_of

BATCH = 8
FREE_SHARE = 0.5  # of the tiles drawn for a batch
CELL_WEIGHTS = torch.tensor([1.0, 3, 3, 3, 3, 1.5])
HEAD_RATE = 3  # times that of SqueezeNet's layers
TEMPERATURE = 2.0
SMOOTHING = 0.05
SOFT_SHARE = 0.6  # of the loss, where there is a teacher


def cell_loss(cells, target):
    """Cross entropy of the cells with defects weighed up, plus the overlap of bad and hot cells."""
    entropy = functional.cross_entropy(cells, target, CELL_WEIGHTS)
    heat, bad = heat_of(cells), (target > 0).float()
    overlap = 1 - (2 * (heat * bad).sum() + 1) / (heat.sum() + bad.sum() + 1)
    return entropy + 0.5 * overlap


def hard_loss(logits, cells, target, labels):
    """Against the labels and masks."""
    classes = functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
    return cell_loss(cells, target) + classes


def soft_loss(logits, cells, taught):
    """Against a teacher's logits and heat: KL at a temperature for what a tile has, cross entropy of the
    heat."""
    taught, hot = torch.softmax(taught[0] / TEMPERATURE, 1), taught[1]
    said = torch.log_softmax(logits / TEMPERATURE, 1)
    kl = functional.kl_div(said, taught, reduction='batchmean') * TEMPERATURE ** 2
    heat = heat_of(cells).clamp(1e-4, 1 - 1e-4)
    return kl + 2 * functional.binary_cross_entropy(heat, hot)


def chances(labels):
    """How often each copy is drawn: FREE_SHARE free, the rest by the square root of its class's size."""
    counts = np.bincount(labels.ravel()).astype(float)
    share = np.sqrt(counts)
    share[0] = share[1:].sum() * FREE_SHARE / (1 - FREE_SHARE)
    chance = (share / counts)[labels.ravel()]
    return chance / chance.sum()


def fit(body, bank, rows, plan, teacher=None):
    """The moving average of a body after plan's steps on these rows of the bank; a teacher is a body that
    answers the same copies."""
    torch.manual_seed(plan['seed'])
    rng = np.random.default_rng(plan['seed'])
    body = body.to(memory_format=torch.channels_last)
    average = copy.deepcopy(body)
    labels = bank['labels'][:, rows].numpy()
    chance, rates = chances(labels), [plan['rate'], plan['rate'] * HEAD_RATE]
    inner = [p for n, p in body.named_parameters() if n.startswith('fire')]
    outer = [p for n, p in body.named_parameters() if not n.startswith('fire')]
    optimizer = torch.optim.AdamW([{'params': inner}, {'params': outer}], weight_decay=plan['decay'])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, plan['steps'], pct_start=0.1)
    total, started = [], time.time()
    for step in range(plan['steps']):
        drawn = rng.choice(labels.size, BATCH, p=chance)
        at = (torch.from_numpy(drawn // len(rows)), torch.from_numpy(rows[drawn % len(rows)]))
        body.train()
        found = bank['features'][at].float().contiguous(memory_format=torch.channels_last)
        logits, cells = body(found)
        loss = hard_loss(logits, cells, bank['cells'][at].long(), bank['labels'][at])
        if teacher is not None:
            loss = (1 - SOFT_SHARE) * loss + SOFT_SHARE * soft_loss(logits, cells, teacher(found))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(body.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        total.append(loss.item())
        blend_into(average, body, min(0.99, (step + 1) / (step + 10)))
        if step % 50 == 49 or step == plan['steps'] - 1:
            print(json.dumps({'name': plan['name'], 'step': step + 1, 'of': plan['steps'],
                              'loss': round(float(np.mean(total)), 4),
                              's': round(time.time() - started)}), flush=True)
            total = []
    return average


def answers(body, bank, versions, rows):
    """Class logits [version, row, labels] and heat [version, row, 28, 28] of copies."""
    body.eval()
    logits, heat = [], []
    with torch.no_grad():
        for number in versions:
            said = [body(part.float()) for part in bank['features'][number][rows].split(32)]
            logits.append(torch.cat([a for a, _ in said]))
            heat.append(torch.cat([heat_of(b) for _, b in said]))
    return torch.stack(logits), torch.stack(heat)
