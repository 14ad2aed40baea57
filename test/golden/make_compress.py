"""Writes compress.json: DLRMs with quotient-remainder and mixed-dimension tables, by their definitions in PyTorch.

Run: python make_compress.py   (PyTorch 2.13)

Ten steps of Adagrad (lr 0.05) or SGD (lr 0.3) in float64, from parameters and on batches that are in the file.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(5)
TABLES, E, D, B, STEPS = [9, 30, 7, 23], 4, 2, 6, 10
BOTTOM, TOP = [D, 3, E], [5, 1]


def number(x):
    return float(f"{x:.9g}")


def batches():
    made = []
    for _ in range(STEPS):
        tables = []
        for rows in TABLES:
            offsets = [0]
            for n in torch.randint(0, 4, (B,)).tolist():
                offsets.append(offsets[-1] + n)
            tables.append({"offsets": offsets, "indices": torch.randint(0, rows, (offsets[-1],)).tolist()})
        dense = [number(x) for x in torch.randn(B * D).tolist()]
        made.append({"dense": dense, "tables": tables, "labels": torch.randint(0, 2, (B,)).float().tolist()})
    return made


BATCHES = batches()


def width_of(case, t):
    return case["dims"][t] if case.get("dims") else E


def parameters(case):
    shapes = {}
    for t, rows in enumerate(TABLES):
        if "qr" in case and rows > case["qr"]["threshold"]:
            c, half = case["qr"]["collisions"], E // 2 if case["qr"]["operation"] == "concat" else E
            shapes[f"emb_l.{t}.weight_q"] = [-(-rows // c), half]
            shapes[f"emb_l.{t}.weight_r"] = [c, half]
        elif "md" in case and rows > case["md"]["threshold"]:
            shapes[f"emb_l.{t}.embs.weight"] = [rows, width_of(case, t)]
            if width_of(case, t) < E:
                shapes[f"emb_l.{t}.proj.weight"] = [E, width_of(case, t)]
        else:
            shapes[f"emb_l.{t}.weight"] = [rows, E]
    vectors = len(TABLES) + 1
    layers = [("bot_l", BOTTOM), ("top_l", [E + vectors * (vectors - 1) // 2, *TOP])]
    for name, widths in layers:
        for i in range(len(widths) - 1):
            shapes[f"{name}.{2 * i}.weight"] = [widths[i + 1], widths[i]]
            shapes[f"{name}.{2 * i}.bias"] = [widths[i + 1]]
    return {
        name: torch.tensor([number(x) for x in (torch.rand(torch.Size(s).numel()) - 0.5).tolist()], dtype=torch.float64)
        .reshape(s)
        .requires_grad_()
        for name, s in shapes.items()
    }


def pooled(rows, offsets, mode):
    out = [rows[offsets[b] : offsets[b + 1]].sum(0) / (max(1, offsets[b + 1] - offsets[b]) if mode == "mean" else 1) for b in range(B)]
    return torch.stack(out)


def table(case, p, t, bags):
    indices, offsets, mode = torch.tensor(bags["indices"], dtype=torch.long), bags["offsets"], case.get("pooling", "sum")
    if f"emb_l.{t}.weight_q" in p:
        qr = case["qr"]
        q = p[f"emb_l.{t}.weight_q"][indices // qr["collisions"]]
        r = p[f"emb_l.{t}.weight_r"][indices % qr["collisions"]]
        if qr.get("poolFirst"):
            q, r = pooled(q, offsets, mode), pooled(r, offsets, mode)
        rows = {"mult": lambda: q * r, "add": lambda: q + r, "concat": lambda: torch.cat([q, r], 1)}[qr["operation"]]()
        return rows if qr.get("poolFirst") else pooled(rows, offsets, mode)
    if f"emb_l.{t}.embs.weight" in p:
        rows = p[f"emb_l.{t}.embs.weight"][indices]
        proj = p.get(f"emb_l.{t}.proj.weight")
        return pooled(rows if proj is None else rows @ proj.T, offsets, mode)
    return pooled(p[f"emb_l.{t}.weight"][indices], offsets, mode)


def loss_of(case, p, batch):
    x = torch.tensor(batch["dense"], dtype=torch.float64).reshape(B, D)
    for i in range(2):
        x = torch.relu(F.linear(x, p[f"bot_l.{2 * i}.weight"], p[f"bot_l.{2 * i}.bias"]))
    vectors = torch.stack([x] + [table(case, p, t, bags) for t, bags in enumerate(batch["tables"])], 1)
    products = vectors @ vectors.transpose(1, 2)
    i, j = zip(*[(i, j) for i in range(len(TABLES) + 1) for j in range(i)])
    z = torch.cat([x, products[:, i, j]], 1)
    z = torch.relu(F.linear(z, p["top_l.0.weight"], p["top_l.0.bias"]))
    z = F.linear(z, p["top_l.2.weight"], p["top_l.2.bias"])[:, 0]
    return F.binary_cross_entropy_with_logits(z, torch.tensor(batch["labels"], dtype=torch.float64))


def run(case):
    p = parameters(case)
    start = {name: {"shape": list(x.shape), "data": x.flatten().tolist()} for name, x in p.items()}
    optimizer = torch.optim.Adagrad(p.values(), lr=0.05, eps=1e-10) if case["optimizer"] == "adagrad" else torch.optim.SGD(p.values(), lr=0.3)
    losses = []
    for batch in BATCHES:
        loss = loss_of(case, p, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(number(loss.item()))
    end = {name: [number(v) for v in x.flatten().tolist()] for name, x in p.items()}
    return {"config": {k: case[k] for k in ("qr", "md", "pooling") if k in case}, "optimizer": case["optimizer"], "start": start, "losses": losses, "end": end}


def qr(operation, optimizer, **more):
    pooling = more.pop("pooling", "sum")
    return {"qr": {"threshold": 8, "collisions": 4, "operation": operation, **more}, "pooling": pooling, "optimizer": optimizer}


# Widths by hand: 4 (R / 7)^-0.8, rounded, for tables above the threshold.
MD = {"md": {"threshold": 8, "temperature": 0.8, "roundDims": False}, "dims": [3, 1, 4, 2]}
CASES = {
    "qr-mult": qr("mult", "adagrad"),
    "qr-mult-pool-first": qr("mult", "sgd", poolFirst=True),
    "qr-mult-mean": qr("mult", "sgd", pooling="mean"),
    "qr-add": qr("add", "adagrad"),
    "qr-add-pool-first": qr("add", "sgd", poolFirst=True),
    "qr-concat": qr("concat", "sgd"),
    "md": {**MD, "optimizer": "adagrad"},
    "md-mean": {**MD, "pooling": "mean", "optimizer": "sgd"},
}
golden = {"tables": TABLES, "embeddingDim": E, "dense": D, "size": B, "bottom": BOTTOM[1:], "top": TOP, "batches": BATCHES}
golden["cases"] = {name: run(case) for name, case in CASES.items()}
path = Path(__file__).with_name("compress.json")
path.write_text(json.dumps(golden) + "\n")
