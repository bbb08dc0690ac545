"""Cuts a trained state the way `ledge compress` cut its model, by the prune.json beside it.

The model must have been exported with the names of its parameters: training mode PRESERVE on a net in
evaluation mode, do_constant_folding=False (else batch normalisation is folded and the names are new).
"""
import json
from pathlib import Path


def load(path):
    """What was kept of each parameter: {name: {axis: places}}."""
    kept = {}
    for entry in json.loads(Path(path).read_text())['initialisers']:
        places = kept.setdefault(entry['name'], {})
        if places.setdefault(entry['axis'], entry['kept']) != entry['kept']:
            raise ValueError(f'"{entry["name"]}" is one constant of several layers in the model: '
                             'export each parameter on its own')
    return kept


def cut(state, kept):
    """The state with the kept places of each array or tensor; the net must have these widths."""
    missing = sorted(set(kept) - set(state))
    if missing:
        raise ValueError(f'prune.json names parameters that the state has not: {missing}')
    smaller = dict(state)
    for name, axes in kept.items():
        for axis, places in axes.items():
            smaller[name] = smaller[name][(slice(None),) * axis + (places,)]
    return smaller
