"""Fits a network to rows of the pool: hard labels, a teacher's, or both."""
import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from averaging import blend_into
from keyword_augment import mask
from keyword_data import LABELS

BATCH = 128
SMOOTHING = 0.1
ROWS_PER_EPOCH = 12000


@dataclass(frozen=True)
class Settings:
    """How one network is fitted."""
    epochs: int
    rate_max: float = 4e-3
    decay: float = 0.02
    soft: float = 0.0  # share of the teacher's answer in the loss; the labels have the rest
    temperature: float = 2.0
    spectra: bool = True  # rows are log-mel: masked, moved in time
    mixed: float = 0.5  # share of batches that are mixed with themselves


def moved(mel, generator):
    """Each clip up to 4 frames earlier or later, its own edge repeated."""
    shift = torch.randint(-4, 5, (len(mel), 1), generator=generator)
    at = (torch.arange(mel.shape[1])[None] + shift).clamp(0, mel.shape[1] - 1)
    return mel.gather(1, at[:, :, None].expand_as(mel))


def distance(logits, target, teacher, settings):
    """Cross entropy with the labels, and with the teacher's answer at a temperature."""
    hard = -(functional.log_softmax(logits, 1) * target).sum(1).mean()
    if teacher is None or settings.soft == 0:
        return hard
    heat = settings.temperature
    soft = functional.kl_div(functional.log_softmax(logits / heat, 1), teacher, reduction='batchmean')
    return (1 - settings.soft) * hard + settings.soft * heat * heat * soft


def fit(net, rows, settings, seed, show=lambda line: None):
    """Trains on rows {features, labels, soft?}; returns the moving average of the weights."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    groups = [{'params': [p for p in net.parameters() if p.dim() > 1], 'weight_decay': settings.decay},
              {'params': [p for p in net.parameters() if p.dim() <= 1], 'weight_decay': 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.rate_max)
    count = len(rows['labels'])
    steps = min(count, ROWS_PER_EPOCH) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate_max, settings.epochs * steps, pct_start=0.15)
    labels = torch.from_numpy(rows['labels'])
    average, step, started = copy.deepcopy(net), 0, time.time()
    order = torch.empty(0, dtype=torch.long)
    for epoch in range(settings.epochs):
        net.train()
        losses = []
        for _ in range(steps):
            if len(order) < BATCH:
                order = torch.randperm(count, generator=generator)
            batch, order = order[:BATCH], order[BATCH:]
            x, target, teacher = drawn(rows, labels, batch, settings, (generator, rng))
            loss = distance(net(x), target, teacher, settings)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            blend_into(average, net, min(0.995, (step + 1) / (step + 10)))
            losses.append(loss.item())
        show({'epoch': epoch + 1, 'of': settings.epochs, 'loss': round(float(np.mean(losses)), 4),
              's': round(time.time() - started, 1)})
    average.eval()
    return average


def drawn(rows, labels, batch, settings, random):
    """One batch: features, smoothed labels, the teacher's answer at its temperature."""
    generator, rng = random
    x = torch.from_numpy(rows['features'][batch.numpy()].astype(np.float32))
    classes = len(LABELS)
    target = functional.one_hot(labels[batch], classes).float() * (1 - SMOOTHING) + SMOOTHING / classes
    teacher = None
    if settings.soft > 0:
        soft = torch.from_numpy(rows['soft'][batch.numpy()])
        teacher = functional.softmax(soft / settings.temperature, 1)
    if settings.spectra:
        x = mask(moved(x, generator), generator)
    if torch.rand((), generator=generator) < settings.mixed:
        share, other = float(rng.beta(0.3, 0.3)), torch.randperm(len(x), generator=generator)
        x = x * share + x[other] * (1 - share)
        target = target * share + target[other] * (1 - share)
        teacher = None if teacher is None else teacher * share + teacher[other] * (1 - share)
    return x, target, teacher
