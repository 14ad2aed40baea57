"""The training step of every model of ../models.ts in PyTorch, by its plain definition; one JSON line, the faster of eager and compiled.

python torch_models.py --model deepfm [--batch 4096] [--threads 4] [--seconds 2] [--compile]

Frappe's ten columns, one id each, embeddings of width 10, MLP 400-400-400, Adam. All columns share one nn.Embedding with offsets, which is
the fastest way here: one lookup for all of them.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as fn

ROWS = [957, 4082, 7, 7, 2, 3, 2, 9, 80, 233]
F, E, HIDDEN = len(ROWS), 10, [400, 400, 400]


class Fields(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.table = nn.Embedding(sum(ROWS), width)
        nn.init.normal_(self.table.weight, std=1e-2)
        self.register_buffer("start", torch.tensor([sum(ROWS[:i]) for i in range(F)]))

    def forward(self, ids):
        return self.table(ids + self.start)  # [B, F, width]


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights, self.bias = Fields(1), nn.Parameter(torch.zeros(1))

    def forward(self, ids):
        return self.weights(ids).sum(1) + self.bias


def mlp(inputs, widths, norm=None, last=True):
    parts = []
    for width in widths:
        parts += [nn.Linear(inputs, width)]
        if norm:
            parts += [norm(width)]
        parts += [nn.ReLU()]
        inputs = width
    return nn.Sequential(*parts, *([nn.Linear(inputs, 1)] if last else []))


def pairs(v):
    return (v.sum(1).square() - v.square().sum(1)).sum(1, keepdim=True) / 2


class Lr(Linear):
    pass


class Mf(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.fields = Linear(), Fields(E)

    def forward(self, ids):
        v = self.fields(ids)
        return self.linear(ids) + (v[:, 0] * v[:, 1]).sum(1, keepdim=True)


class Fm(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.fields = Linear(), Fields(E)

    def forward(self, ids):
        return self.linear(ids) + pairs(self.fields(ids))


class Ffm(nn.Module):
    K = 4

    def __init__(self):
        super().__init__()
        self.linear, self.fields = Linear(), Fields((F - 1) * self.K)
        i, j = torch.tril_indices(F, F, -1)  # j < i
        self.register_buffer("a", i * (F - 1) + j)
        self.register_buffer("b", j * (F - 1) + i - 1)

    def forward(self, ids):
        v = self.fields(ids).reshape(len(ids), F * (F - 1), self.K)
        return self.linear(ids) + (v[:, self.a] * v[:, self.b]).sum((1, 2))[:, None]


class WideDeep(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.fields, self.mlp = Linear(), Fields(E), mlp(F * E, HIDDEN)

    def forward(self, ids):
        return self.linear(ids) + self.mlp(self.fields(ids).flatten(1))


class DeepFm(WideDeep):
    def forward(self, ids):
        v = self.fields(ids)
        return self.linear(ids) + pairs(v) + self.mlp(v.flatten(1))


class Nfm(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.fields, self.mlp = Linear(), Fields(E), mlp(E, HIDDEN)

    def forward(self, ids):
        v = self.fields(ids)
        return self.linear(ids) + self.mlp((v.sum(1).square() - v.square().sum(1)) / 2)


class NormDnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.fields, self.mlp = Fields(E), mlp(F * E, HIDDEN, nn.LayerNorm)
        self.weight, self.bias = nn.Parameter(torch.ones(F, E)), nn.Parameter(torch.zeros(F, E))

    def forward(self, ids):
        v = fn.layer_norm(self.fields(ids), [E]) * self.weight + self.bias
        return self.mlp(v.flatten(1))


class Dcn(nn.Module):
    LAYERS = 3

    def __init__(self):
        super().__init__()
        n = F * E
        self.fields, self.mlp = Fields(E), mlp(n, HIDDEN, last=False)
        self.weights = nn.ModuleList(nn.Linear(n, 1, bias=False) for _ in range(self.LAYERS))
        self.biases = nn.ParameterList(torch.zeros(n) for _ in range(self.LAYERS))
        self.out = nn.Linear(n + HIDDEN[-1], 1)

    def forward(self, ids):
        x0 = x = self.fields(ids).flatten(1)
        for weight, bias in zip(self.weights, self.biases):
            x = x0 * weight(x) + bias + x
        return self.out(torch.cat([x, self.mlp(x0)], 1))


class DcnV2(nn.Module):
    LAYERS = 3

    def __init__(self):
        super().__init__()
        n = F * E
        self.fields, self.mlp = Fields(E), mlp(n, HIDDEN, last=False)
        self.crosses = nn.ModuleList(nn.Linear(n, n) for _ in range(self.LAYERS))
        self.out = nn.Linear(n + HIDDEN[-1], 1)

    def forward(self, ids):
        x0 = x = self.fields(ids).flatten(1)
        for cross in self.crosses:
            x = x0 * cross(x) + x
        return self.out(torch.cat([x, self.mlp(x0)], 1))


class XDeepFm(nn.Module):
    MAPS = [64, 64, 64]

    def __init__(self):
        super().__init__()
        self.linear, self.fields, self.mlp = Linear(), Fields(E), mlp(F * E, HIDDEN)
        self.layers = nn.ModuleList(nn.Conv1d(before * F, h, 1) for before, h in zip([F] + self.MAPS, self.MAPS))
        self.out = nn.Linear(sum(self.MAPS), 1, bias=False)

    def forward(self, ids):
        v = self.fields(ids)
        x, sums = v, []
        for layer in self.layers:
            x = layer(torch.einsum("bhe,bme->bhme", x, v).flatten(1, 2))
            sums.append(x.sum(2))
        return self.linear(ids) + self.out(torch.cat(sums, 1)) + self.mlp(v.flatten(1))


class Dlrm(nn.Module):
    """Dot interaction of the embeddings; no dense features, so no bottom MLP."""

    def __init__(self):
        super().__init__()
        i, j = torch.tril_indices(F, F, -1)
        self.register_buffer("at", i * F + j)
        self.fields, self.mlp = Fields(E), mlp(F * (F - 1) // 2, HIDDEN)

    def forward(self, ids):
        v = self.fields(ids)
        return self.mlp(torch.bmm(v, v.transpose(1, 2)).flatten(1).index_select(1, self.at))


class DeepLight(nn.Module):
    def __init__(self):
        super().__init__()
        i, j = torch.tril_indices(F, F, -1)
        self.register_buffer("at", i * F + j)
        self.linear, self.fields, self.mlp = Linear(), Fields(E), mlp(F * E, HIDDEN)
        self.weight = nn.Parameter(torch.randn(len(i), 1))

    def forward(self, ids):
        v = self.fields(ids)
        dots = torch.bmm(v, v.transpose(1, 2)).flatten(1).index_select(1, self.at)
        return self.linear(ids) + dots @ self.weight + self.mlp(v.flatten(1))


class YouTubeRanking(nn.Module):
    def __init__(self):
        super().__init__()
        self.fields, self.mlp = Fields(E), mlp(F * E, HIDDEN)

    def forward(self, ids):
        return self.mlp(self.fields(ids).flatten(1))


MODELS = {
    "lr": Lr, "mf": Mf, "fm": Fm, "ffm": Ffm, "wide_deep": WideDeep, "deepfm": DeepFm, "nfm": Nfm, "norm_dnn": NormDnn, "dcn": Dcn,
    "dcn_v2": DcnV2, "xdeepfm": XDeepFm, "dlrm": Dlrm, "deeplight": DeepLight, "youtube_ranking": YouTubeRanking,
}


def measure(forward, net, batches, seconds, weighted):
    """Milliseconds of each step."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(ids, labels, weights):
        loss = fn.binary_cross_entropy_with_logits(forward(ids), labels, weight=weights if weighted else None)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for batch in batches[:4]:
        step(*batch)
    warm = time.perf_counter() + min(seconds, 0.5) / 2
    times, i = [], 0
    while len(times) < 5 or time.perf_counter() < warm + seconds:
        start = time.perf_counter()
        step(*batches[i % len(batches)])
        stop = time.perf_counter()
        i += 1
        if stop > warm:
            times.append(1000 * (stop - start))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=list(MODELS), required=True)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    columns = 2 if args.model == "mf" else F

    def batch():
        ids = torch.stack([torch.randint(0, rows, (args.batch,)) for rows in ROWS[:columns]], 1)
        return ids, torch.randint(0, 2, (args.batch, 1)).float(), torch.rand(args.batch, 1) * 5

    if args.model == "mf":
        del ROWS[2:]
        globals()["F"] = 2
    net = MODELS[args.model]()
    batches = [batch() for _ in range(8)]
    weighted = args.model == "youtube_ranking"
    figures = {"eager": measure(net, net, batches, args.seconds, weighted)}
    error = None
    if args.compile:
        try:
            figures["compiled"] = measure(torch.compile(net), net, batches, args.seconds, weighted)
        except Exception as failure:  # no compiler, or a model that it refuses: say so, keep the eager figure
            error = f"{type(failure).__name__}: {failure}".splitlines()[0]
    way = min(figures, key=figures.get)
    print(json.dumps({"model": args.model, "median": figures[way], "way": way, **figures, "torch": torch.__version__, "compile_error": error}))


main()
