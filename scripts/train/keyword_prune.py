"""A student made smaller by what `ledge compress --recipe prune` found unimportant."""
import prune_state
from keyword_data import LABELS
from keyword_net import StudentNet


def cut_by(handed, net):
    """The net with the widths that prune.json leaves, and what it keeps of the weights."""
    return shaped(prune_state.cut(net.state_dict(), prune_state.load(handed)))


def shaped(state):
    """A student whose widths are those of the weights in the state, which it takes over."""
    blocks = sum(name.startswith('first.') and name.endswith('.0.weight') for name in state)
    widths = tuple(state[f'{name}.0.weight'].shape[0] for name in ('groups', 'join', 'down'))
    inner = tuple(state[f'first.{at}.0.weight'].shape[0] for at in range(blocks))
    net = StudentNet(len(LABELS), widths, inner)
    net.load_state_dict(state)
    return net
