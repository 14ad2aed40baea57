"""Writes tables.json: what PyTorch makes of tables that columns share, of mixed widths and modes, in 5 training steps.

Run: python make_tables.py   (PyTorch 2.13)

The model reads columns 4, 0, 3, 5 of six; 4 and 5 share a table:
  e = embedding bags (widths 10, 17, 3), w = one weight per id and a bias, logits = Linear([e, w]), binary cross entropy.
Bags of sum and mean are torch.nn.functional.embedding_bag with sparse gradients. For max it has dense gradients only, so a max bag
is the maximum over torch.nn.functional.embedding with sparse ones: rows that were looked up without winning count as touched.
Everything is computed in float64 from float32 inputs, and rounded to float32 at the end. Numbers are drawn by generator.py.
"""
import base64
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from generator import Generator

STEPS, B = 5, 24
BAGS = [50, 1, 300, 2, 700, 40]
COLUMNS, TABLES, ROWS, WIDTHS = [4, 0, 3, 5], [0, 1, 2, 0], [700, 50, 2], [10, 17, 3]
MODES = {"sum": ["sum"] * 4, "mean": ["mean", "sum", "sum", "mean"], "max": ["max", "mean", "sum", "sum"]}
OPTIMIZERS = [
    {"rule": "sgd", "lr": 0.5},
    {"rule": "adagrad", "lr": 0.05},
    {"rule": "adam", "lr": 0.01},
]


def shapes():
    sizes = {f"e.{t}.weight": [r, w] for t, (r, w) in enumerate(zip(ROWS, WIDTHS))}
    sizes.update({f"w.{t}.weight": [r, 1] for t, r in enumerate(ROWS)})
    return {**sizes, "w.bias": [1], "top.0.weight": [1, sum(WIDTHS[t] for t in TABLES) + 1], "top.0.bias": [1]}


def parameters(seed, dtype):
    g = Generator(seed)
    draw = lambda shape: torch.from_numpy(g.symmetric(int(np.prod(shape)), 0.5).reshape(shape)).to(dtype)
    return {name: torch.nn.Parameter(draw(shape)) for name, shape in shapes().items()}


def batches(seed, weighted):
    g = Generator(seed + 1)
    for _ in range(STEPS):
        bags = []
        for rows in BAGS:
            offsets = np.concatenate([[0], np.cumsum(g.below(B, 5))])
            unit = g.unit(offsets[-1]).astype(np.float64)
            indices = np.floor(unit * unit * rows).astype(np.int64)
            bags.append((offsets, torch.from_numpy(indices), torch.from_numpy(g.symmetric(len(indices), 2)) if weighted else None))
        yield bags, torch.from_numpy((g.unit(B) < np.float32(0.4)).astype(np.float64))


def pool(table, bag, mode):
    offsets, indices, weights = bag
    if mode != "max":
        weights = weights if weights is None else weights.to(table.dtype)
        return F.embedding_bag(indices, table, torch.from_numpy(offsets[:-1]), mode=mode, sparse=True, per_sample_weights=weights)
    rows = F.embedding(indices, table, sparse=True)
    zeros = torch.zeros(table.shape[1], dtype=table.dtype)
    return torch.stack([rows[a:b].max(dim=0).values if b > a else zeros for a, b in zip(offsets[:-1], offsets[1:])])


def logits(p, bags, modes):
    e = [pool(p[f"e.{t}.weight"], bags[c], m) for c, t, m in zip(COLUMNS, TABLES, modes)]
    linear = [pool(p[f"w.{t}.weight"], bags[c], "sum") for c, t in zip(COLUMNS, TABLES)]
    w = p["w.bias"] + sum(linear)
    return (torch.cat([*e, w], dim=1) @ p["top.0.weight"].T + p["top.0.bias"]).squeeze(1)


def optimizers(o, p):
    tables = [v for k, v in p.items() if k[0] in "ew" and k != "w.bias"]
    dense = [p["w.bias"], p["top.0.weight"], p["top.0.bias"]]
    if o["rule"] == "adam":
        return [torch.optim.SparseAdam(tables, lr=o["lr"]), torch.optim.Adam(dense, lr=o["lr"])]
    kind = torch.optim.SGD if o["rule"] == "sgd" else torch.optim.Adagrad
    return [kind(tables + dense, lr=o["lr"])]


def train(seed, o, modes, weighted, dtype):
    p = parameters(seed, dtype)
    steps, losses = optimizers(o, p), []
    for bags, labels in batches(seed, weighted):
        loss = F.binary_cross_entropy_with_logits(logits(p, bags, modes), labels.to(dtype))
        for step in steps:
            step.zero_grad()
        loss.backward()
        for step in steps:
            step.step()
        losses.append(loss.item())
    return losses, {k: v.detach() for k, v in p.items()}


def pack(x):
    return base64.b64encode(x.to(torch.float32).numpy().tobytes()).decode()


def main():
    torch.set_num_threads(1)
    cases = []
    for o in OPTIMIZERS:
        for name, modes in [*MODES.items(), ("weighted", MODES["sum"])]:
            seed, weighted = 100 + len(cases), name == "weighted"
            losses, final = train(seed, o, modes, weighted, torch.float64)
            _, single = train(seed, o, modes, weighted, torch.float32)
            error = max(((single[k] - v).abs().max() / v.abs().max()).item() for k, v in final.items())
            # Tables of 700 rows would fill the file: the shared one is checked by its first 120 rows, the ones mostly drawn.
            packed = {k: pack(v[:120]) for k, v in final.items()}
            expected = {"losses": [float(np.float32(x)) for x in losses], "final": packed}
            cases.append({"name": f"{o['rule']}, {name}", "seed": seed, "optimizer": o, "modes": modes, "weights": weighted, "expected": expected})
            print(f"{cases[-1]['name']:20} loss {losses[0]:.4f} -> {losses[-1]:.4f} float32 error {error:.1e}")
    source = f"PyTorch {torch.__version__}, float64 rounded to float32; see make_tables.py"
    shape = {"steps": STEPS, "batchSize": B, "bags": BAGS, "columns": COLUMNS, "tables": TABLES, "widths": WIDTHS, "shapes": shapes()}
    Path(__file__).with_name("tables.json").write_text(json.dumps({"source": source, **shape, "cases": cases}, indent=0) + "\n")


main()
