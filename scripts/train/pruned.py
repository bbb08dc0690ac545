"""Takes over what the pass `prune` cut: the same rows of the same weights, in PyTorch."""
import json
from pathlib import Path

import torch


def shrink(module, handoff, prefix=''):
    """Slices the parameters that prune.json names, those whose name begins with prefix; tells the counts
    of parameters before and after."""
    told = json.loads(Path(handoff).read_text())
    named = dict(module.named_parameters())
    for entry in told['initialisers']:
        if not entry['name'].startswith(prefix):
            continue
        weight = named[entry['name'][len(prefix):]]
        kept = torch.tensor(entry['kept'])
        weight.data = weight.data.index_select(entry['axis'], kept).contiguous()
    return told['parameters']
