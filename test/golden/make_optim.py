"""optim.json: parameter groups, lazy: false, clipping and FTRL on a small model, 10 steps each, in float64 from float32 inputs.

The model: mean over the batch of softplus(s) - y s, s = sum of the looked-up rows of two tables [R, 4] times a [4] vector, plus a bias.
Tables have DENSE gradients here: every row has one in every step, which is what lazy: false means (lazy cases: see below). FTRL is not PyTorch's: the class
below is algorithm 1 of McMahan et al. 2013 as printed, with z started where it gives back the weight that a coordinate starts with.
Inputs follow from the seed, in the order in which they are drawn below; test/optim/golden.test.ts draws them again.
"""
import base64
import json
from pathlib import Path

import numpy as np
import torch

from generator import Generator

ROWS, WIDTH, BATCH, STEPS = [50, 7], 4, 12, 10


class Ftrl(torch.optim.Optimizer):
    def __init__(self, params, lr, beta, l1, l2):
        super().__init__(params, dict(lr=lr, beta=beta, l1=l1, l2=l2))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            a, beta, l1, l2 = (group[k] for k in ("lr", "beta", "l1", "l2"))
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state["n"] = torch.zeros_like(w)
                    state["z"] = -w * (beta / a + l2) - w.sign() * l1
                g, n, z = w.grad, state["n"], state["z"]
                sigma = ((n + g * g).sqrt() - n.sqrt()) / a
                z += g - sigma * w
                n += g * g
                w.copy_(torch.where(z.abs() <= l1, torch.zeros_like(w), -(z - z.sign() * l1) / ((beta + n.sqrt()) / a + l2)))


def rule(params, o):
    o = dict(o)
    kind, lr = o.pop("rule"), o.pop("lr")
    if kind == "sgd":
        return torch.optim.SGD(params, lr=lr, momentum=o["momentum"], weight_decay=o["weightDecay"])
    if kind == "adagrad":
        return torch.optim.Adagrad(params, lr=lr, eps=o["eps"], weight_decay=o["weightDecay"])
    if kind == "adam":
        make = torch.optim.AdamW if o.get("decoupled") else torch.optim.Adam
        return make(params, lr=lr, betas=(0.9, 0.999), eps=o["eps"], weight_decay=o["weightDecay"])
    return Ftrl(params, lr, o["beta"], o["l1"], o["l2"])


def sgd(lr, momentum=0.0, weightDecay=0.0):
    return dict(rule="sgd", lr=lr, momentum=momentum, weightDecay=weightDecay)


def adagrad(lr, weightDecay=0.0):
    return dict(rule="adagrad", lr=lr, eps=1e-6, weightDecay=weightDecay)


def adam(lr, weightDecay=0.0, decoupled=False):
    return dict(rule="adam", lr=lr, eps=1e-6, weightDecay=weightDecay, decoupled=decoupled)


def ftrl(lr, beta=1.0, l1=0.0, l2=0.0):
    return dict(rule="ftrl", lr=lr, beta=beta, l1=l1, l2=l2)


CASES = [
    dict(name="sgd, momentum, decay", groups={"*": sgd(0.3, 0.9, 0.05)}),
    dict(name="adagrad, decay", groups={"*": adagrad(0.05, 0.05)}),
    dict(name="adam", groups={"*": adam(0.02)}),
    dict(name="adam, decay", groups={"*": adam(0.02, 0.05)}),
    dict(name="adamw", groups={"*": adam(0.02, 0.2, True)}),
    dict(name="ftrl", groups={"*": ftrl(0.5)}),
    dict(name="ftrl, l1, l2", groups={"*": ftrl(0.5, 0.5, 0.12, 0.3)}),
    dict(name="ftrl from 0", start=0, groups={"*": ftrl(0.5, 1.0, 0.02)}),
    dict(name="lazy sgd, decay", lazy=True, groups={"*": sgd(0.3, 0.0, 0.1)}),
    dict(name="lazy adagrad, decay", lazy=True, groups={"*": adagrad(0.05, 0.1)}),
    dict(name="groups", groups={"tables": adagrad(0.05), "mlp": sgd(0.2, 0.9)}),
    dict(name="three rules", groups={"tables": ftrl(0.3, 1.0, 0.02), "*": adam(0.03)}),
    dict(name="clipped sgd", clipNorm=0.02, groups={"*": sgd(0.5, 0.9)}),
    dict(name="clipped adam", clipNorm=0.01, groups={"tables": adam(0.02, 0.01), "*": adagrad(0.1)}),
    dict(name="clipped now and then", clipNorm=0.3, groups={"*": sgd(0.5)}),
]


def numbers(table, optimizer):
    """A table and what its rule keeps per weight."""
    return [table.data, *(x for x in optimizer.state.get(table, {}).values() if torch.is_tensor(x) and x.shape == table.shape)]


def run(case, seed):
    g = Generator(seed)
    tables = [torch.tensor(g.symmetric(r * WIDTH, case.get("start", 1)).reshape(r, WIDTH), dtype=torch.float64, requires_grad=True) for r in ROWS]
    weight = torch.tensor(g.symmetric(2 * WIDTH, 1), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    params = {"tables": tables, "mlp": [weight, bias]}
    groups = case["groups"]
    rules = [rule(params[k], groups.get(k, groups.get("*"))) for k in params]
    losses, clipped = [], 0
    for _ in range(STEPS):
        indices = [torch.tensor(g.below(BATCH, r)) for r in ROWS]
        labels = torch.tensor((g.unit(BATCH) < np.float32(0.5)).astype(np.float64))
        for r in rules:
            r.zero_grad()
        e = torch.cat([t[i] for t, i in zip(tables, indices)], dim=1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(e @ weight + bias, labels)
        loss.backward()
        if case.get("clipNorm"):
            norm = torch.nn.utils.clip_grad_norm_([*tables, weight, bias], case["clipNorm"])
            clipped += int(norm > case["clipNorm"])
        before = [[x.clone() for x in numbers(t, rules[0])] for t in tables]
        for r in rules:
            r.step()
        if case.get("lazy"):  # the rows that no lookup touched stay, with their state
            for t, i, old in zip(tables, indices, before):
                rest = torch.ones(len(t), dtype=torch.bool)
                rest[i] = False
                for x, y in zip(numbers(t, rules[0]), old):
                    x[rest] = y[rest]
        losses.append(loss.item())
    zeros = sum(int((t == 0).sum()) for t in tables)
    print(f"{case['name']:24} loss {losses[0]:.4f} -> {losses[-1]:.4f} clipped {clipped} zeros {zeros}")
    pack = lambda x: base64.b64encode(x.detach().numpy().astype("<f4").tobytes()).decode()
    return {"losses": losses, "zeros": zeros, "tables": [pack(t) for t in tables], "weight": pack(weight), "bias": pack(bias)}


def main():
    torch.set_num_threads(1)
    cases = [{**c, "seed": 11 + i, "expected": run(c, 11 + i)} for i, c in enumerate(CASES)]
    out = {"source": f"PyTorch {torch.__version__}, float64; see make_optim.py", "cases": cases}
    Path(__file__).with_name("optim.json").write_text(json.dumps(out, indent=0) + "\n")


main()
