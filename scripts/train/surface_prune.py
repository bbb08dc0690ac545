"""The student with fewer channels: cut by `ledge compress`, fine-tuned on pictures with the teacher."""
import copy
import json
import subprocess
import time

import numpy as np
import torch

from averaging import blend_into
from model_file import ROOT, export
from pruned import shrink
from surface_bank import pictures
from surface_fit import BATCH, SOFT_SHARE, chances, hard_loss, soft_loss
from surface_net import standardise

# Fewer would be enough for the parameters; so many make it faster as well. Kernels like 16 channels.
RECIPE = """passes:
  - prune: { parameters: 0.5, multiple: 8 }
accept: { sqnrDbMin: -60 }
"""
PICTURES = range(2, 5)  # the versions of the bank whose pictures are made again
PRUNED_RATE = 1e-3


def ledge(*args):
    """Runs the node's command line as built by `npm run build`."""
    subprocess.run(['node', 'dist/cli/main.js', *map(str, args)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def cut_by_ledge(net, example, folder):
    """prune.json for this network."""
    folder.mkdir(parents=True, exist_ok=True)
    export(net, example, ['image'], ['classes', 'heatmap'], folder / 'whole.onnx')
    (folder / 'prune.yaml').write_text(RECIPE)
    ledge('compress', folder / 'whole.onnx', '--recipe', folder / 'prune.yaml', '--out', folder / 'cut')
    return folder / 'cut' / 'prune.json'


def prune_student(work, net, teacher):
    """The network cut and fine-tuned: like the student, from pictures, every layer."""
    folder = work.options.cache / 'surface-prune'
    path = work.options.cache / 'surface-pruned.pt'
    handoff = folder / 'cut' / 'prune.json'
    cut = copy.deepcopy(net)
    if not handoff.exists():
        example = torch.from_numpy(work.data['tiles'][:2])[..., None]
        cut_by_ledge(cut, example, folder)
    print(json.dumps({'pruned': shrink(cut, handoff)}), flush=True)
    if path.exists():
        cut.load_state_dict(torch.load(path))
        return cut
    taken = torch.stack([pictures(work.data, work.fold, number) for number in PICTURES])
    tuned = tune(cut, work, taken, teacher)
    torch.save(tuned.state_dict(), path)
    return tuned


def tune(net, work, taken, teacher):
    """The moving average of a whole network after some steps on pictures."""
    rows, plan = work.fit_rows, work.options
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    labels = work.bank['labels'][PICTURES.start:PICTURES.stop, rows].numpy()
    chance = chances(labels)
    net, average = net.to(memory_format=torch.channels_last), copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), PRUNED_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PRUNED_RATE, plan.prune_steps, pct_start=0.1)
    started, total = time.time(), []
    for step in range(plan.prune_steps):
        drawn = rng.choice(labels.size, BATCH, p=chance)
        number = torch.from_numpy(drawn // len(rows))
        at = (number + PICTURES.start, torch.from_numpy(rows[drawn % len(rows)]))
        planes = standardise(taken[number, at[1]][:, None].float() / 255)
        net.train()
        found = net.stem(planes.contiguous(memory_format=torch.channels_last))
        logits, cells = net.body(found)
        hard = hard_loss(logits, cells, work.bank['cells'][at].long(), work.bank['labels'][at])
        with torch.no_grad():
            taught = teacher(work.bank['features'][at].float())
        loss = (1 - SOFT_SHARE) * hard + SOFT_SHARE * soft_loss(logits, cells, taught)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        blend_into(average, net, min(0.98, (step + 1) / (step + 10)))
        total.append(loss.item())
        if step % 50 == 49 or step == plan.prune_steps - 1:
            print(json.dumps({'name': 'pruned', 'step': step + 1, 'of': plan.prune_steps,
                              'loss': round(float(np.mean(total)), 4),
                              's': round(time.time() - started)}), flush=True)
            total = []
    return average
