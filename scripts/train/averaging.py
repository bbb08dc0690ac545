"""The moving average of a network's weights, which generalises better than their last state."""
import torch


def blend_into(average, net, blend):
    """average = blend * average + (1 - blend) * net, over weights and running statistics."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), net.state_dict().values()):
            if kept.dtype.is_floating_point:
                kept.mul_(blend).add_(new, alpha=1 - blend)
            else:
                kept.copy_(new)
