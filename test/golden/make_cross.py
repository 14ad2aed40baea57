"""Writes cross.json: what PyTorch makes of models of cross, cross_v2 and cin, in 4 training steps.

Run: python make_cross.py   (PyTorch 2.13)

Five columns, one id each; E is the width:
  x = [e_1..e_5];  logits = Linear(op(x)), binary cross entropy, Adagrad
The plain definitions, layer after layer, as the papers write them. Everything is computed in float64 from float32 inputs, and
rounded to float32 at the end. Numbers are drawn by generator.py.
"""
import base64
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from generator import Generator

STEPS, B, LR = 4, 37, 0.05
ROWS = [12, 7, 9, 5, 6]
M = len(ROWS)
CASES = [
    ("cross", 3, {"layers": 1}),
    ("cross", 10, {"layers": 4}),
    ("cross_v2", 3, {"layers": 1}),
    ("cross_v2", 10, {"layers": 3}),
    ("cross_v2", 4, {"layers": 2, "rank": 3}),
    ("cross_v2", 10, {"layers": 2, "rank": 18}),
    ("cross_v2", 3, {"layers": 1, "rank": 5, "experts": 1}),
    ("cross_v2", 10, {"layers": 2, "rank": 4, "experts": 3}),
    ("cin", 3, {"layers": [7]}),
    ("cin", 10, {"layers": [8, 20, 5]}),
    ("cin", 4, {"layers": [6, 10, 3], "splitHalf": True}),
    ("cin", 10, {"layers": [9, 4], "activation": "relu"}),
    ("cin", 1, {"layers": [4, 18], "bias": False}),
]


def op_shapes(op, n, o):
    if op == "cross":
        return {f"op.{l}.{what}": [n] for l in range(o["layers"]) for what in ("weight", "bias")}
    sizes = {}
    if op == "cross_v2":
        r, k = o.get("rank", 0), o.get("experts", 0)
        for l in range(o["layers"]):
            if not r:
                sizes[f"op.{l}.weight"] = [n, n]
            else:
                sizes[f"op.{l}.U"] = sizes[f"op.{l}.V"] = [n, max(1, k) * r]
            if k:
                sizes[f"op.{l}.C"], sizes[f"op.{l}.gate"] = [k * r, r], [k, n]
            sizes[f"op.{l}.bias"] = [n]
        return sizes
    inputs = M
    for k, h in enumerate(o["layers"]):
        sizes[f"op.{k}.weight"] = [h, inputs * M]
        if o.get("bias", True):
            sizes[f"op.{k}.bias"] = [h]
        inputs = h // 2 if o.get("splitHalf") else h
    return sizes


def shapes(op, width, o):
    out = M * width
    if op == "cin":
        last, half = o["layers"][-1], 2 if o.get("splitHalf") else 1
        out = last + sum(h // half for h in o["layers"][:-1])
    sizes = {f"e.{t}.weight": [r, width] for t, r in enumerate(ROWS)}
    return {**sizes, **op_shapes(op, M * width, o), "deep.0.weight": [1, out], "deep.0.bias": [1]}


def parameters(seed, sizes):
    g = Generator(seed)
    draw = lambda shape: torch.from_numpy(g.symmetric(int(np.prod(shape)), 0.5).reshape(shape)).double()
    return {name: torch.nn.Parameter(draw(shape)) for name, shape in sizes.items()}


def batches(seed):
    g = Generator(seed + 1)
    for _ in range(STEPS):
        ids = [torch.from_numpy(g.below(B, rows)) for rows in ROWS]
        yield ids, torch.from_numpy((g.unit(B) < np.float32(0.4)).astype(np.float64))


def cross(p, x0, o):
    x = x0
    for l in range(o["layers"]):
        x = x0 * (x @ p[f"op.{l}.weight"]).unsqueeze(1) + p[f"op.{l}.bias"] + x
    return x


def cross_v2(p, x0, o):
    x, r, experts = x0, o.get("rank", 0), o.get("experts", 0)
    for l in range(o["layers"]):
        q = lambda what: p[f"op.{l}.{what}"]
        if not r:
            y = x0 * (x @ q("weight").T + q("bias"))
        elif not experts:
            y = x0 * (x @ q("V") @ q("U").T + q("bias"))
        else:
            gates, y = torch.softmax(x @ q("gate").T, dim=1), 0
            for e in range(experts):
                part = slice(e * r, (e + 1) * r)
                h = torch.tanh(torch.tanh(x @ q("V")[:, part]) @ q("C")[part].T)
                y = y + gates[:, [e]] * (x0 * (h @ q("U")[:, part].T + q("bias")))
        x = y + x
    return x


def cin(p, x, o):
    x0 = x.reshape(B, M, -1)
    maps, out, layers = x0, [], o["layers"]
    for k, h in enumerate(layers):
        z = torch.einsum("bie,bje->bije", maps, x0).reshape(B, -1, x0.shape[2])
        maps = torch.einsum("hp,bpe->bhe", p[f"op.{k}.weight"], z)
        if o.get("bias", True):
            maps = maps + p[f"op.{k}.bias"][None, :, None]
        if o.get("activation") == "relu":
            maps = torch.relu(maps)
        half = h // 2 if o.get("splitHalf") and k + 1 < len(layers) else 0
        out.append(maps[:, half:].sum(2))
        maps = maps[:, :half] if half else maps
    return torch.cat(out, dim=1)


def train(seed, op, width, o):
    p = parameters(seed, shapes(op, width, o))
    optimizer, losses = torch.optim.Adagrad(p.values(), lr=LR), []
    for ids, labels in batches(seed):
        x = torch.cat([p[f"e.{t}.weight"][i] for t, i in enumerate(ids)], dim=1)
        y = {"cross": cross, "cross_v2": cross_v2, "cin": cin}[op](p, x, o)
        logits = (y @ p["deep.0.weight"].T + p["deep.0.bias"]).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, labels)
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
    for op, width, o in CASES:
        seed = 500 + len(cases)
        losses, final = train(seed, op, width, o)
        expected = {"losses": [float(np.float32(x)) for x in losses], "final": {k: pack(v) for k, v in final.items()}}
        cases.append({"op": op, "width": width, "options": o, "seed": seed, "shapes": shapes(op, width, o), "expected": expected})
        print(f"{op:8} width {width:2} {o} loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    source = f"PyTorch {torch.__version__}, float64 rounded to float32; see make_cross.py"
    shape = {"steps": STEPS, "batchSize": B, "lr": LR, "rows": ROWS}
    Path(__file__).with_name("cross.json").write_text(json.dumps({"source": source, **shape, "cases": cases}) + "\n")


main()
