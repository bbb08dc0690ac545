"""A tiny network that tells whether the last of some log-mel frames is speech."""
import torch
from torch import nn

FRAMES = 48  # 0.97 s


class ActivityNet(nn.Module):
    """Log-mel [n, FRAMES, 40] to a logit [n, 1]. Loudness and steady noise are taken out inside."""

    def __init__(self, widths=(8, 16, 24), hidden=16):
        super().__init__()
        layers, inputs = [], 2
        for outputs in widths:
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs),
                       nn.ReLU()]
            inputs = outputs
        self.blocks = nn.Sequential(*layers)
        self.decide = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.1), nn.Linear(inputs * (FRAMES // 8) * 5, hidden), nn.ReLU(),
            nn.Linear(hidden, 1))

    def forward(self, mel):
        centred = mel - mel.mean((1, 2), keepdim=True)
        raised = mel - mel.mean(1, keepdim=True)
        x = torch.stack([centred, raised], 1) * 0.4
        return self.decide(self.blocks(x))
