"""The guide's own recipe: torch.quantization.quantize_dynamic on a decoder of DistilGPT-2's shape, with
a key/value cache. Decodes as it is told by lines of JSON, like scripts/bench/compress/decode-child.ts."""

import io
import json
import resource
import sys
import time

import torch
from torch import nn

PROMPT = [464, 2159, 318, 257]
TOKENS_MAX = 256

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
torch.set_grad_enabled(False)
torch.manual_seed(1)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


bare = resident()


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden, past):
        batch, rows, width = hidden.shape
        parts = self.c_attn(self.ln_1(hidden)).split(width, -1)
        query, key, value = (
            one.view(batch, rows, self.heads, width // self.heads).transpose(1, 2) for one in parts
        )
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        scores = query @ key.transpose(2, 3) / (width // self.heads) ** 0.5
        total = key.shape[2]
        seen = torch.ones(rows, total).tril(total - rows) > 0
        shares = scores.masked_fill(~seen, -1e9).softmax(-1)
        mixed = (shares @ value).transpose(1, 2).reshape(batch, rows, width)
        hidden = hidden + self.c_proj(mixed)
        wide = nn.functional.gelu(self.c_fc(self.ln_2(hidden)), approximate="tanh")
        return hidden + self.mlp_proj(wide), (key, value)


class Decoder(nn.Module):
    def __init__(self, layers, width, heads, vocabulary, positions):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.h = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, place, past):
        places = torch.arange(place, place + tokens.shape[1])
        hidden = self.wte(tokens) + self.wpe(places)
        kept = []
        for block, cache in zip(self.h, past or [None] * len(self.h)):
            hidden, cache = block(hidden, cache)
            kept.append(cache)
        return self.lm_head(self.ln_f(hidden[:, -1:])), kept


model = Decoder(**settings["shape"]).eval()
if settings["engine"] != "fp32":
    torch.backends.quantized.engine = settings["engine"]
    model = torch.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
stored = io.BytesIO()
torch.save(model.state_dict(), stored)
size = len(stored.getbuffer())
del stored

state = {"past": None, "place": 0, "token": 0}


def step(tokens):
    logits, state["past"] = model(torch.tensor([tokens]), state["place"], state["past"])
    state["place"] += len(tokens)
    state["token"] = int(logits[0, -1].argmax())


def begin():
    state.update(past=None, place=0)
    step(PROMPT)


def answer(ms):
    memory = resident() - bare
    told = {"ms": ms, "residentBytes": memory, "fileBytes": size, "version": torch.__version__}
    print(json.dumps(told), flush=True)


begin()
answer(0)
for line in sys.stdin:
    count = json.loads(line)["tokens"]
    if state["place"] + count >= TOKENS_MAX:
        begin()
    step([state["token"]])
    started = time.perf_counter()
    for _ in range(count):
        step([state["token"]])
    answer((time.perf_counter() - started) * 1000)
