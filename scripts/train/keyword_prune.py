"""A student made smaller by what `ledge compress --recipe prune` found unimportant."""
import json

import torch

from keyword_data import LABELS
from keyword_net import StudentNet

STEPS = ('near', 'wide', 'join', 'before', 'last')


def sliced(state, handed):
    """The state with the kept rows alone, by prune.json's entries {name, axis, kept}."""
    state = dict(state)
    for entry in json.loads(handed.read_text())['initialisers']:
        kept = torch.tensor(entry['kept'])
        state[entry['name']] = state[entry['name']].index_select(entry['axis'], kept)
    return state


def shaped(state):
    """A student whose widths are those of the weights in the state, which it takes over."""
    net = StudentNet(len(LABELS), widths=tuple(state[f'{name}.0.weight'].shape[0] for name in STEPS),
                     spans=tuple(state[f'{name}.0.weight'].shape[3] for name in STEPS[3:]))
    net.load_state_dict(state)
    return net
