"""Writes pairs.json: what PyTorch makes of a model of all ops over fields, in 4 training steps.

Run: python make_pairs.py   (PyTorch 2.13)

Four columns, one id each, and three numbers; E is the width:
  x = [e_1..e_4, d_1 n_1..d_3 n_3], F = 7 fields;  m = bi-interaction(x) * x[E/2 .. E/2 + E)
  logits = FM(x) + FwFM(x) + FFM(v) + Linear([m, e_4]) + exp(x_0), binary cross entropy
The plain definitions: all pairs one by one. Everything is computed in float64 from float32 inputs, and rounded to float32 at the end.
Numbers are drawn by generator.py.
"""
import base64
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from generator import Generator

STEPS, B, D = 4, 37, 3
ROWS = [12, 7, 9, 5]
T = len(ROWS)
FIELDS = T + D
OPTIMIZERS = [{"rule": "sgd", "lr": 0.1}, {"rule": "adagrad", "lr": 0.05}]
WIDTHS = [1, 4, 10, 17]


def shapes(width):
    sizes = {f"e.{t}.weight": [r, width] for t, r in enumerate(ROWS)}
    sizes["n.weight"] = [D, width]
    sizes["fw.weight"] = [FIELDS * (FIELDS - 1) // 2]
    sizes.update({f"v.{t}.weight": [r, (T - 1) * width] for t, r in enumerate(ROWS)})
    return {**sizes, "deep.0.weight": [1, 2 * width], "deep.0.bias": [1]}


def parameters(seed, width):
    g = Generator(seed)
    draw = lambda shape: torch.from_numpy(g.symmetric(int(np.prod(shape)), 0.5).reshape(shape)).double()
    return {name: torch.nn.Parameter(draw(shape)) for name, shape in shapes(width).items()}


def batches(seed):
    g = Generator(seed + 1)
    for _ in range(STEPS):
        dense = torch.from_numpy(g.symmetric(B * D, 1).reshape(B, D)).double()
        ids = [torch.from_numpy(g.below(B, rows)) for rows in ROWS]
        yield dense, ids, torch.from_numpy((g.unit(B) < np.float32(0.4)).astype(np.float64))


def logits(p, dense, ids, width):
    e = [p[f"e.{t}.weight"][i] for t, i in enumerate(ids)]
    fields = e + [dense[:, [d]] * p["n.weight"][d] for d in range(D)]
    # v_i for the other fields in their order: field j is number j, or j - 1 behind i.
    v = [p[f"v.{t}.weight"][i].reshape(B, T - 1, width) for t, i in enumerate(ids)]
    ffm = sum((v[i][:, j] * v[j][:, i - 1]).sum(1) for j, i in combinations(range(T), 2))
    pairs = [(i, j) for i in range(FIELDS) for j in range(i)]
    products = [fields[i] * fields[j] for i, j in pairs]
    fw = sum(p["fw.weight"][k] * product.sum(1) for k, product in enumerate(products))
    x, bi = torch.cat(fields, dim=1), sum(products)
    m = bi * x[:, width // 2 : width // 2 + width]
    deep = (torch.cat([m, e[-1]], dim=1) @ p["deep.0.weight"].T + p["deep.0.bias"]).squeeze(1)
    return bi.sum(1) + fw + ffm + deep + x[:, 0].exp()


def train(seed, width, o):
    p = parameters(seed, width)
    kind = torch.optim.SGD if o["rule"] == "sgd" else torch.optim.Adagrad
    optimizer, losses = kind(p.values(), lr=o["lr"]), []
    for dense, ids, labels in batches(seed):
        loss = F.binary_cross_entropy_with_logits(logits(p, dense, ids, width), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {k: v.detach() for k, v in p.items()}


def pack(x):
    return base64.b64encode(x.to(torch.float32).numpy().tobytes()).decode()


def main():
    torch.set_num_threads(1)
    cases = []
    for width in WIDTHS:
        for o in OPTIMIZERS:
            seed = 300 + len(cases)
            losses, final = train(seed, width, o)
            expected = {"losses": [float(np.float32(x)) for x in losses], "final": {k: pack(v) for k, v in final.items()}}
            cases.append({"width": width, "seed": seed, "optimizer": o, "shapes": shapes(width), "expected": expected})
            print(f"{o['rule']:8} width {width:2} loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    source = f"PyTorch {torch.__version__}, float64 rounded to float32; see make_pairs.py"
    shape = {"steps": STEPS, "batchSize": B, "dense": D, "rows": ROWS}
    Path(__file__).with_name("pairs.json").write_text(json.dumps({"source": source, **shape, "cases": cases}, indent=0) + "\n")


main()
