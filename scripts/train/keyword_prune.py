"""A student made smaller by what `ledge compress --recipe prune` found unimportant."""
import json

import torch

from keyword_data import LABELS
from keyword_net import StudentNet


def sliced(state, handed):
    """The state with the kept rows alone, by prune.json's entries {name, axis, kept}."""
    state = dict(state)
    for entry in json.loads(handed.read_text())['initialisers']:
        kept = torch.tensor(entry['kept'])
        state[entry['name']] = state[entry['name']].index_select(entry['axis'], kept)
    return state


def shaped(state):
    """A student whose widths are those of the weights in the state, which it takes over."""
    blocks = sum(name.startswith('first.') and name.endswith('.0.weight') for name in state)
    widths = tuple(state[f'{name}.0.weight'].shape[0] for name in ('groups', 'join', 'down'))
    inner = tuple(state[f'first.{at}.0.weight'].shape[0] for at in range(blocks))
    net = StudentNet(len(LABELS), widths, inner)
    net.load_state_dict(state)
    return net
