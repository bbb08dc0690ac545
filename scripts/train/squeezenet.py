"""The first layers of SqueezeNet 1.1 as trained on ImageNet, read from its ONNX file."""
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[2]

# Channels of each fire module: in, squeezed, out of each half.
FIRES = {2: (64, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128),
         6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256), 9: (512, 64, 256)}


class Fire(nn.Module):
    def __init__(self, inputs, squeezed, half):
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, half, 1)
        self.expand3x3 = nn.Conv2d(squeezed, half, 3, 1, 1)

    def forward(self, x):
        x = torch.relu(self.squeeze1x1(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class Stem(nn.Module):
    """Three planes [n, 3, h, w] to [n, 128, h / 8, w / 8]: what any picture has, never trained here."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1)
        self.fire2, self.fire3 = Fire(*FIRES[2]), Fire(*FIRES[3])

    def forward(self, planes):
        x = functional.max_pool2d(torch.relu(self.conv1(planes)), 3, 2, 1)
        return functional.max_pool2d(self.fire3(self.fire2(x)), 3, 2, 1)


def pretrained(path, cache):
    """The file's weights by the names of the modules above: {name: tensor}."""
    kept = Path(cache) / 'squeezenet'
    if not (kept / 'weights.json').exists():
        subprocess.run(['npx', 'tsx', 'scripts/train/onnx-weights.ts', '--model',
                        str(Path(path).resolve()), '--out', str(kept)], check=True, cwd=ROOT)
    found, numbers, at = {}, (kept / 'weights.bin').read_bytes(), 0
    for name, dims, kind in json.loads((kept / 'weights.json').read_text()):
        count = int(np.prod(dims))
        values = np.frombuffer(numbers, kind, count, at).astype(np.float32)
        ours = name.replace('/', '.').replace('_w_0', '.weight').replace('_b_0', '.bias')
        found[ours] = torch.from_numpy(values.reshape(dims))
        at += count * np.dtype(kind).itemsize
    return found


def adopt(module, weights):
    """Takes over every weight that has its name and shape; tells how many."""
    state = module.state_dict()
    shared = {k: v for k, v in weights.items() if k in state and state[k].shape == v.shape}
    module.load_state_dict({**state, **shared})
    return len(shared)
