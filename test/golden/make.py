"""Writes dlrm.json and dlrm.safetensors: what PyTorch makes of 20 DLRM configurations in 10 training steps each.

Run: python make.py   (PyTorch 2.13, safetensors)

The model is the reference's (facebookresearch/dlrm, dlrm_s_pytorch.py): its layer and state_dict names, its order of interactions,
the loss taken from probabilities. Initial parameters and batches come from generator.py, so the file holds only their seeds.
Everything is computed in float64 from float32 inputs, and rounded to float32 at the end: that is the truth both PyTorch and we
approximate. `float32Error` is how far PyTorch's own float32 run ends from it (largest difference over the largest magnitude, per
tensor, the worst tensor), as a measure of how well conditioned a case is.

Sparse gradients for the tables, as the reference; except with max pooling, where PyTorch has dense ones only: with SGD and Adagrad
a row no example touches gets gradient 0 and stays, so that both mean the same.
"""
import base64
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from generator import Generator

HERE = Path(__file__).parent
STEPS = 10


class Dlrm(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        e = c["embeddingDim"]
        self.emb_l = torch.nn.ModuleList(
            torch.nn.EmbeddingBag(r, e, mode=c["pooling"], sparse=c["pooling"] != "max") for r in c["tables"]
        )
        if c["weightedPooling"]:
            self.v_W_l = torch.nn.ParameterList(torch.ones(r) for r in c["tables"])
        f = len(c["tables"]) + 1
        pairs = f * (f + 1) // 2 if c["interactionItself"] else f * (f - 1) // 2
        width = f * e if c["interaction"] == "cat" else e + pairs
        self.bot_l = mlp([c["dense"], *c["bottom"], e], torch.nn.ReLU())
        self.top_l = mlp([width, *c["top"], 1], torch.nn.Sigmoid())

    def forward(self, dense, bags):
        x = self.bot_l(dense)
        vectors = [x]
        for k, (offsets, indices, weights) in enumerate(bags):
            if self.c["weightedPooling"]:
                weights = self.v_W_l[k].gather(0, indices)
            vectors.append(self.emb_l[k](indices, offsets[:-1], weights))
        if self.c["interaction"] == "cat":
            z = torch.cat(vectors, dim=1)
        else:
            t = torch.stack(vectors, dim=1)
            i, j = torch.tril_indices(t.shape[1], t.shape[1], 0 if self.c["interactionItself"] else -1)
            z = torch.cat([x, torch.bmm(t, t.transpose(1, 2))[:, i, j]], dim=1)
        p = self.top_l(z)
        limit = self.c["lossThreshold"]
        return p.clamp(limit, 1 - limit) if limit > 0 else p


def mlp(widths, last):
    layers = []
    for i in range(len(widths) - 1):
        layers += [torch.nn.Linear(widths[i], widths[i + 1]), last if i == len(widths) - 2 else torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


def loss_of(c, p, y):
    if c["loss"] == "mse":
        return torch.nn.functional.mse_loss(p, y)
    if c["loss"] == "bce":
        return torch.nn.functional.binary_cross_entropy(p, y)
    weights = torch.tensor(c["lossWeights"], dtype=p.dtype)[y.long()]
    return (weights * torch.nn.functional.binary_cross_entropy(p, y, reduction="none")).mean()


class RowWiseAdagrad(torch.optim.Optimizer):
    """Sparse gradients: h[r] += mean(g[r]^2), w[r] -= lr g[r] / (sqrt(h[r]) + eps); dense ones: the same per element."""

    def __init__(self, params, **options):
        super().__init__(params, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                sparse = p.grad.is_sparse
                g = p.grad.coalesce() if sparse else p.grad
                state = self.state[p]
                if not state:
                    state["t"] = 0
                    state["h"] = torch.full(p.shape[:1] if sparse else p.shape, group["initial"], dtype=p.dtype)
                lr = group["lr"] / (1 + state["t"] * group["lr_decay"])
                state["t"] += 1
                if sparse:
                    rows, values = g.indices()[0], g.values()
                    state["h"][rows] += values.pow(2).mean(dim=1)
                    p[rows] -= lr * values / (state["h"][rows].sqrt() + group["eps"])[:, None]
                else:
                    state["h"] += g * g
                    p -= lr * g / (state["h"].sqrt() + group["eps"])


def optimizers(o, model):
    """PyTorch's optimizers for ours: one for the tables, one for everything dense."""
    tables, dense = list(model.emb_l.parameters()), [p for n, p in model.named_parameters() if not n.startswith("emb_l")]
    lr = o["lr"]
    if o["rule"] == "sgd":
        return [
            torch.optim.SGD(tables, lr=lr),
            torch.optim.SGD(dense, lr=lr, momentum=o["momentum"], weight_decay=o["weightDecay"]),
        ]
    if o["rule"] == "adagrad":
        common = dict(lr=lr, lr_decay=o["lrDecay"], initial_accumulator_value=o["initialAccumulator"], eps=o["eps"])
        return [torch.optim.Adagrad(tables, **common), torch.optim.Adagrad(dense, weight_decay=o["weightDecay"], **common)]
    if o["rule"] == "rowwise_adagrad":
        common = dict(lr=lr, lr_decay=o["lrDecay"], initial=o["initialAccumulator"], eps=o["eps"])
        return [RowWiseAdagrad(tables, **common), RowWiseAdagrad(dense, **common)]
    betas = (o["beta1"], o["beta2"])
    kind = torch.optim.AdamW if o["decoupled"] else torch.optim.Adam
    return [
        torch.optim.SparseAdam(tables, lr=lr, betas=betas, eps=o["eps"]),
        kind(dense, lr=lr, betas=betas, eps=o["eps"], weight_decay=o["weightDecay"]),
    ]


def initial_parameters(c, shapes):
    """In state_dict order from one generator; the scale of each follows from its shape."""
    g = Generator(c["seed"])
    values = {}
    for name, shape in shapes.items():
        if name.startswith("emb_l"):
            scale = 0.5
        elif name.startswith("v_W_l"):
            scale = 1.5
        elif len(shape) == 2:
            scale = math.sqrt(6 / (shape[0] + shape[1]))
        else:
            scale = math.sqrt(1 / shape[0])
        values[name] = g.symmetric(math.prod(shape), scale).reshape(shape)
    return values


def batches(c):
    g = Generator(c["seed"] + 1)
    b = c["batchSize"]
    for _ in range(STEPS):
        dense = g.symmetric(b * c["dense"], 2).reshape(b, c["dense"])
        bags = []
        for rows in c["tables"]:
            offsets = np.concatenate([[0], np.cumsum(g.below(b, c["maxBag"] + 1))])
            u = g.unit(offsets[-1]).astype(np.float64)
            indices = np.floor(u * u * rows).astype(np.int64)  # low rows more often, so that batches repeat them
            weights = g.symmetric(len(indices), 2) if c["weights"] else None
            bags.append((offsets, indices, weights))
        u = g.unit(b)
        yield dense, bags, (u if c["softLabels"] else (u < np.float32(0.4)).astype(np.float32))


def run(c, dtype):
    """Losses of each step (before its update), probabilities for the first batch before and after training, final parameters."""
    model = Dlrm(c)
    initial = initial_parameters(c, {k: list(v.shape) for k, v in model.state_dict().items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in initial.items()})
    model.to(dtype)
    rules = optimizers(c["optimizer"], model)
    tensor = lambda x: None if x is None else torch.from_numpy(x).to(dtype)
    data = [
        (tensor(d), [(torch.from_numpy(o), torch.from_numpy(i), tensor(w)) for o, i, w in bags], tensor(y)[:, None])
        for d, bags, y in batches(c)
    ]
    with torch.no_grad():
        before = model(*data[0][:2])[:, 0].clone()
    losses = []
    for dense, bags, y in data:
        for rule in rules:
            rule.zero_grad()
        loss = loss_of(c, model(dense, bags), y)
        loss.backward()
        for rule in rules:
            rule.step()
        losses.append(loss.item())
    with torch.no_grad():
        after = model(*data[0][:2])[:, 0]
    return losses, before, after, model.state_dict()


def options(rule, lr, **more):
    rules = {
        "sgd": dict(momentum=0, weightDecay=0),
        "adagrad": dict(eps=1e-10, initialAccumulator=0, lrDecay=0, weightDecay=0),
        "rowwise_adagrad": dict(eps=1e-10, initialAccumulator=0, lrDecay=0),
        "adam": dict(beta1=0.9, beta2=0.999, eps=1e-8, weightDecay=0, decoupled=False),
    }
    assert set(more) <= set(rules[rule])
    return {"rule": rule, "lr": lr, **rules[rule], **more}


# What each case is about; the sizes are drawn at random below.
ABOUT = [
    dict(name="sgd dot bce", optimizer=options("sgd", 0.1)),
    dict(name="sgd dot itself mse", optimizer=options("sgd", 0.1), interactionItself=True, loss="mse", softLabels=True),
    dict(name="sgd cat bce weights", optimizer=options("sgd", 0.1), interaction="cat", weights=True),
    dict(name="sgd momentum and decay", optimizer=options("sgd", 0.05, momentum=0.9, weightDecay=1e-2), pooling="mean"),
    dict(name="sgd max", optimizer=options("sgd", 0.1), pooling="max", maxBag=9),
    dict(name="sgd learned pooling", tables=[97], maxBag=4, batchSize=33, optimizer=options("sgd", 0.1), weightedPooling="learned"),
    dict(name="sgd one example", optimizer=options("sgd", 0.02), batchSize=1),
    dict(name="adagrad dot bce", optimizer=options("adagrad", 0.02)),
    dict(name="adagrad mean wbce", optimizer=options("adagrad", 0.02, eps=1e-6), pooling="mean", loss="wbce", lossWeights=[0.2, 0.8]),
    dict(name="adagrad accumulator, decay", optimizer=options("adagrad", 0.1, initialAccumulator=0.1, lrDecay=0.1, weightDecay=1e-2)),
    dict(name="adagrad max cat", optimizer=options("adagrad", 0.02), pooling="max", interaction="cat", maxBag=5),
    dict(name="adagrad mse threshold", optimizer=options("adagrad", 0.02), loss="mse", lossThreshold=0.4, weights=True, batchSize=65),
    dict(name="row-wise dot bce", optimizer=options("rowwise_adagrad", 0.02), batchSize=300),
    dict(name="row-wise itself weights", optimizer=options("rowwise_adagrad", 0.02), interactionItself=True, weights=True),
    dict(name="row-wise accumulator, decay", optimizer=options("rowwise_adagrad", 0.1, initialAccumulator=0.01, lrDecay=0.2, eps=1e-4), pooling="mean"),
    dict(name="row-wise cat wbce", optimizer=options("rowwise_adagrad", 0.02), interaction="cat", loss="wbce", lossWeights=[1.5, 0.5], batchSize=2),
    dict(name="adam dot bce", optimizer=options("adam", 1e-3)),
    dict(name="adam betas, decay, mean", optimizer=options("adam", 1e-2, beta1=0.5, beta2=0.9, eps=1e-4, weightDecay=1e-2), pooling="mean"),
    dict(name="adamw cat mse", optimizer=options("adam", 1e-3, weightDecay=0.1, decoupled=True), interaction="cat", loss="mse", softLabels=True),
    dict(name="adam threshold weights", optimizer=options("adam", 1e-3, eps=1e-6), lossThreshold=0.45, weights=True, batchSize=31, maxBag=4),
]


def draw(about, seed):
    r = random.Random(seed)
    c = dict(
        seed=100 * seed,
        batchSize=r.choice([3, 5, 17, 33, 64, 127]),
        dense=r.randint(1, 14),
        tables=[r.choice([1, 2, r.randint(3, 20), r.randint(20, 300)]) for _ in range(r.randint(2, 9))],
        embeddingDim=r.choice([1, 2, 3, 5, 7, 8, 11, 16, 19, 33]),
        bottom=[r.randint(1, 70) for _ in range(r.randint(0, 3))],
        top=[r.randint(2, 70) for _ in range(r.randint(0, 3))],
        interaction="dot",
        interactionItself=False,
        loss="bce",
        lossWeights=[1, 1],
        lossThreshold=0,
        pooling="sum",
        weightedPooling=None,
        maxBag=r.choice([1, 3, 4, 9, 9]),
        weights=False,
        softLabels=False,
    )
    return {**c, **about}


def pack(x):
    return base64.b64encode(np.ascontiguousarray(x.detach().numpy().astype("<f4")).tobytes()).decode()


def distance(a, b):
    return ((a.double() - b).abs().max() / b.abs().max().clamp_min(1e-30)).item() if b.numel() else 0.0


def attempt(about, seed):
    """A case with its expectations, or None when these sizes make a poor test: dead layers, saturation, or chaos in float32."""
    c = draw(about, seed)
    losses, before, after, state = run(c, torch.float64)
    single = run(c, torch.float32)
    error = max(distance(single[3][k], state[k]) for k in state)
    error = max(error, *(abs(a / b - 1) for a, b in zip(single[0], losses)), distance(single[2], after))
    initial = initial_parameters(c, {k: list(v.shape) for k, v in state.items()})
    size = sum(v.numel() for v in state.values())
    moved = all((state[k] - torch.from_numpy(v)).abs().max() > 1e-4 for k, v in initial.items())
    varied = c["batchSize"] == 1 or min(before.max() - before.min(), after.max() - after.min()) > 0.05
    limit = c["lossThreshold"]
    clamped = ((before <= limit) | (before >= 1 - limit)).double().mean().item()
    if limit and not 0.1 < clamped < 0.9:
        return None
    if not (error < 1e-6 and moved and varied and max(losses) < 2 and 200 < size < 15000):
        return None
    bags = [(np.diff(o), i) for _, bs, _ in batches(c) for o, i, _ in bs]
    empty = sum((n == 0).sum() for n, _ in bags) / sum(len(n) for n, _ in bags)
    repeated = 1 - sum(len(np.unique(i)) for _, i in bags) / sum(len(i) for _, i in bags)
    print(f"{c['name']:28} seed {seed} B {c['batchSize']} tables {c['tables']} E {c['embeddingDim']} bags 0..{c['maxBag']} params {size} empty {empty:.2f} repeated {repeated:.2f} clamped {clamped:.2f}"
          f" loss {losses[0]:.4f} -> {losses[-1]:.4f} float32 error {error:.1e}")
    c["expected"] = dict(
        losses=[float(np.float32(x)) for x in losses],
        predictions=pack(before),
        finalPredictions=pack(after),
        final={k: pack(v) for k, v in state.items()},
        float32Error=float(f"{error:.1e}"),
    )
    if not any(HERE.glob("dlrm.safetensors")):
        save_file({k: v.float() for k, v in state.items()}, str(HERE / "dlrm.safetensors"), metadata={"format": "pt"})
    return c


def main():
    torch.set_num_threads(1)
    (HERE / "dlrm.safetensors").unlink(missing_ok=True)
    cases = []
    for number, about in enumerate(ABOUT):
        found = (attempt(about, seed) for seed in range(1000 * number, 1000 * number + 500))
        cases.append(next(c for c in found if c))
    source = f"PyTorch {torch.__version__}, float64 rounded to float32; see make.py"
    (HERE / "dlrm.json").write_text(json.dumps({"source": source, "steps": STEPS, "cases": cases}, indent=0) + "\n")


if __name__ == "__main__":
    main()
