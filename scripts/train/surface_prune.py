"""The student with fewer channels: cut by `ledge compress`, fine-tuned on pictures with the teacher."""
import copy
import json
import subprocess
import time

import numpy as np
import torch

import prune_state
from averaging import blend_into
from model_file import ROOT, export
from surface_bank import pictures
from surface_fit import BATCH, SOFT_SHARE, chances, hard_loss, soft_loss
from surface_first import mean_of
from surface_net import heat_of, standardise

# Fewer would be enough for the parameters; so many make it faster as well. Kernels like 16 channels.
RECIPE = """passes:
  - prune: { parameters: 0.5, multiple: 8 }
accept: { sqnrDbMin: -60 }
"""
PICTURES = range(5)  # the versions of the bank whose pictures are made again
PRUNED_RATE, FINISH_RATE = 1e-3, 6e-4


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


def shrunk(net, work):
    """A copy of the network with the channels that prune.json keeps."""
    folder, cut = work.options.cache / 'surface-prune', copy.deepcopy(net)
    handoff = folder / 'cut' / 'prune.json'
    if not handoff.exists():
        cut_by_ledge(cut, torch.from_numpy(work.data['tiles'][:2])[..., None], folder)
    kept = prune_state.load(handoff)
    parameters = dict(cut.named_parameters())
    for name, weight in prune_state.cut(parameters, kept).items():
        parameters[name].data = weight.data.contiguous()
    print(json.dumps({'pruned': json.loads(handoff.read_text())['parameters']}), flush=True)
    return cut


def prune_student(work, net, teacher):
    """The network cut, and fine-tuned on pictures with the teacher, every layer."""
    def taught(_, features):
        logits, cells = teacher(features)
        return logits, heat_of(cells)

    plan = {'name': 'pruned', 'steps': work.options.prune_steps, 'rate': PRUNED_RATE}
    return tuned(work, shrunk(net, work), taught, plan)


def finish(work, net, teacher, first):
    """The pruned network trained on with both teachers: their mean is surer than either."""
    def taught(grey, features):
        logits, cells = teacher(features)
        return mean_of((logits, heat_of(cells)), first(grey))

    cut = shrunk(net, work)
    cut.load_state_dict(torch.load(work.options.cache / 'surface-pruned.pt'))
    plan = {'name': 'finished', 'steps': work.options.finish_steps, 'rate': FINISH_RATE}
    return tuned(work, cut, taught, plan)


def tuned(work, net, taught, plan):
    """The network after plan, from the cache where it is there."""
    path = work.options.cache / f"surface-{plan['name']}.pt"
    if not path.exists():
        torch.save(tune(net, work, taught, plan).state_dict(), path)
    net.load_state_dict(torch.load(path))
    return net.eval()


def tune(net, work, taught, plan):
    """The moving average of a whole network after plan's steps on pictures."""
    rows, steps = work.fit_rows, plan['steps']
    taken = torch.stack([pictures(work.data, work.fold, number) for number in PICTURES])
    torch.manual_seed(work.options.seed)
    rng = np.random.default_rng(work.options.seed)
    labels = work.bank['labels'][PICTURES.start:PICTURES.stop, rows].numpy()
    chance = chances(labels)
    net = net.to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), plan['rate'], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan['rate'], steps, pct_start=0.1)
    started, total = time.time(), []
    for step in range(steps):
        drawn = rng.choice(labels.size, BATCH, p=chance)
        number, row = torch.from_numpy(drawn // len(rows)), torch.from_numpy(rows[drawn % len(rows)])
        at = (number + PICTURES.start, row)
        grey = taken[number, row][:, None].float() / 255
        net.train()
        planes = standardise(grey).contiguous(memory_format=torch.channels_last)
        logits, cells = net.body(net.stem(planes))
        hard = hard_loss(logits, cells, work.bank['cells'][at].long(), work.bank['labels'][at])
        with torch.no_grad():
            soft = taught(grey, work.bank['features'][at].float())
        loss = (1 - SOFT_SHARE) * hard + SOFT_SHARE * soft_loss(logits, cells, soft)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        blend_into(average, net, min(0.98, (step + 1) / (step + 10)))
        total.append(loss.item())
        if step % 50 == 49 or step == steps - 1:
            print(json.dumps({'name': plan['name'], 'step': step + 1, 'of': steps,
                              'loss': round(float(np.mean(total)), 4),
                              's': round(time.time() - started)}), flush=True)
            total = []
    return average
