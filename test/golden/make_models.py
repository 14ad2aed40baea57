"""Writes models.json: what PyTorch makes of small random configurations of every model, in 5 training steps each.

Run: python make_models.py   (PyTorch 2.13)

Each model is its plain definition, as its paper writes it down, over a dictionary of parameters under our names. Initial parameters and
batches come from generator.py, so the file holds their seeds, names and shapes only. Float64 throughout, rounded to float32 at the
end; tables get dense gradients, with which Adagrad and SGD leave rows alone that no example touches.
"""
import json
import math
from pathlib import Path

import torch
from torch.nn import functional as nn

from generator import Generator
from make import distance, options, pack
import make

HERE = Path(__file__).parent
STEPS = 5
ACTIVATIONS = {"relu": torch.relu, "gelu": nn.gelu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "none": lambda x: x}


class Shapes(dict):
    """Asks for parameters by name and shape, in order; `p` in a definition is this, or the tensors themselves."""

    def __init__(self, c):
        super().__init__()
        self.c = c

    def add(self, name, *shape, scale=None):
        fan = sum(shape) if len(shape) == 2 else shape[0]
        self[name] = (list(shape), scale or math.sqrt((6 if len(shape) == 2 else 1) / fan))


# Each of these declares parameters in `s` and returns what computes with them: f(p, dense, bags, train).


def field_count(c):
    return len(c["tables"]) + c["dense"]


def bag(table, bag):
    offsets, indices, weights = bag
    return nn.embedding_bag(indices, table, offsets[:-1], mode="sum", per_sample_weights=weights)


def fields(s, name, width):
    c = s.c
    for t, rows in enumerate(c["tables"]):
        s.add(f"{name}.{t}.weight", rows, width, scale=0.5)
    if c["dense"]:
        s.add(f"{name}_dense.weight", c["dense"], width, scale=0.5)

    def forward(p, dense, bags):
        vectors = [bag(p[f"{name}.{t}.weight"], b) for t, b in enumerate(bags)]
        vectors += [dense[:, d : d + 1] * p[f"{name}_dense.weight"][d] for d in range(c["dense"])]
        return torch.stack(vectors, dim=1)  # [B, F, width]

    return forward


def linear(s, name):
    c = s.c
    for t, rows in enumerate(c["tables"]):
        s.add(f"{name}.{t}.weight", rows, 1, scale=0.5)
    s.add(f"{name}.bias", 1)
    if c["dense"]:
        s.add(f"{name}_dense.0.weight", 1, c["dense"])

    def forward(p, dense, bags):
        out = p[f"{name}.bias"] + sum(bag(p[f"{name}.{t}.weight"], b) for t, b in enumerate(bags))
        return out + dense @ p[f"{name}_dense.0.weight"].T if c["dense"] else out

    return forward


def layer(s, name, inputs, outputs, bias=True):
    s.add(f"{name}.weight", outputs, inputs)
    if bias:
        s.add(f"{name}.bias", outputs)
    return lambda p, x: nn.linear(x, p[f"{name}.weight"], p[f"{name}.bias"] if bias else None)


def norm(s, name, width, kind):
    s.add(f"{name}.weight", width, scale=1.5)
    s.add(f"{name}.bias", width)
    if kind == "layer":
        return lambda p, x: nn.layer_norm(x, [width], p[f"{name}.weight"], p[f"{name}.bias"])
    s.buffers[f"{name}.running_mean"] = torch.zeros(width)
    s.buffers[f"{name}.running_var"] = torch.ones(width)
    return lambda p, x: nn.batch_norm(
        x, p[f"{name}.running_mean"], p[f"{name}.running_var"], p[f"{name}.weight"], p[f"{name}.bias"], training=p["train"]
    )


def tower(s, name, inputs, widths, c, last="none"):
    """Linear -> norm -> activation per layer; the last layer is plain when `last` is none."""
    kind, act = c.get("norm", "none"), c.get("activation", "relu")
    fused = kind == "none" and act not in ("prelu", "gelu")  # one node then, named otherwise
    steps = []
    for i, width in enumerate(widths):
        end = last == "none" and i == len(widths) - 1
        steps.append(layer(s, f"{name}.{2 * i}" if fused else f"{name}.{i}.0", inputs, width))
        inputs = width
        if end:
            continue
        if kind != "none":
            steps.append(norm(s, f"{name}.{i}.norm", width, kind))
        if act == "prelu":
            s.add(f"{name}.{i}.activation.weight", width, scale=0.5)
            steps.append(lambda p, x, i=i: nn.prelu(x, p[f"{name}.{i}.activation.weight"]))
        else:
            steps.append(lambda p, x: ACTIVATIONS[act](x))

    def forward(p, x):
        for step in steps:
            x = step(p, x)
        return x

    return forward


def fm_pairs(v):
    return ((v.sum(1) ** 2 - (v**2).sum(1)).sum(1, keepdim=True)) / 2


def lr(s):
    return linear(s, "linear")


def fm(s):
    emb, first = fields(s, "emb", s.c["embeddingDim"]), linear(s, "linear")
    return lambda p, dense, bags: first(p, dense, bags) + fm_pairs(emb(p, dense, bags))


def ffm(s):
    f, k = field_count(s.c), s.c["factors"]
    emb, first = fields(s, "emb", (f - 1) * k), linear(s, "linear")

    def forward(p, dense, bags):
        v = emb(p, dense, bags).reshape(len(dense), f, f - 1, k)  # [b, i, slot of the other field, k]
        slot = lambda i, j: j if j < i else j - 1
        pairs = sum((v[:, i, slot(i, j)] * v[:, j, slot(j, i)]).sum(1, keepdim=True) for i in range(f) for j in range(i))
        return first(p, dense, bags) + pairs

    return forward


def mf(s):
    emb, first = fields(s, "emb", s.c["embeddingDim"]), linear(s, "linear")

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        return first(p, dense, bags) + (v[:, 0] * v[:, 1]).sum(1, keepdim=True)

    return forward


def deepfm(s):
    c, e = s.c, s.c["embeddingDim"]
    emb, first = fields(s, "emb", e), linear(s, "linear")
    deep = tower(s, "mlp", field_count(c) * e, [*c["hidden"], 1], c)

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        return first(p, dense, bags) + fm_pairs(v) + deep(p, v.flatten(1))

    return forward


def nfm(s):
    c, e = s.c, s.c["embeddingDim"]
    emb, first = fields(s, "emb", e), linear(s, "linear")
    deep = tower(s, "mlp", e, [*c["hidden"], 1], c)

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        return first(p, dense, bags) + deep(p, (v.sum(1) ** 2 - (v**2).sum(1)) / 2)

    return forward


def deeplight(s):
    c, e, f = s.c, s.c["embeddingDim"], field_count(s.c)
    emb, first = fields(s, "emb", e), linear(s, "linear")
    s.add("pairs.weight", f * (f - 1) // 2, scale=1)
    deep = tower(s, "mlp", f * e, [*c["hidden"], 1], c)
    i, j = torch.tril_indices(f, f, -1)

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        dots = torch.bmm(v, v.transpose(1, 2))[:, i, j]
        return first(p, dense, bags) + (dots @ p["pairs.weight"])[:, None] + deep(p, v.flatten(1))

    return forward


def norm_dnn(s):
    c, e, f = s.c, s.c["embeddingDim"], field_count(s.c)
    emb = fields(s, "emb", e)
    if c["embeddingNorm"] == "layer":
        s.add("emb_norm.weight", f * e, scale=1.5)
        s.add("emb_norm.bias", f * e)
    first = linear(s, "linear") if c["fm"] else None
    deep = tower(s, "mlp", f * e, [*c["hidden"], 1], c)

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        if c["embeddingNorm"] == "layer":
            v = nn.layer_norm(v, [e]) * p["emb_norm.weight"].reshape(f, e) + p["emb_norm.bias"].reshape(f, e)
        if c["embeddingNorm"] == "variance":
            v = v / (v.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
        out = deep(p, v.flatten(1))
        return out + first(p, dense, bags) + fm_pairs(v) if c["fm"] else out

    return forward


def cross_v1(s, name, width, layers):
    for l in range(layers):
        s.add(f"{name}.{l}.weight", width)
        s.add(f"{name}.{l}.bias", width)

    def forward(p, x0):
        x = x0
        for l in range(layers):
            x = x0 * (x @ p[f"{name}.{l}.weight"])[:, None] + p[f"{name}.{l}.bias"] + x
        return x

    return forward


def head(s, c, width):
    return layer(s, "logit.0", width, 1)


def dcn(s):
    c = s.c
    width = field_count(c) * c["embeddingDim"]
    emb, cross = fields(s, "emb", c["embeddingDim"]), cross_v1(s, "cross", width, c["crossLayers"])
    deep = tower(s, "mlp", width, c["hidden"], c, last="activation")
    out = head(s, c, width + c["hidden"][-1])

    def forward(p, dense, bags):
        x0 = emb(p, dense, bags).flatten(1)
        return out(p, torch.cat([cross(p, x0), deep(p, x0)], 1))

    return forward


def wide_deep(s):
    c, e = s.c, s.c["embeddingDim"]
    wide = linear(s, "wide")
    emb = fields(s, "emb", e)
    deep = tower(s, "mlp", field_count(c) * e, [*c["hidden"], 1], c)
    return lambda p, dense, bags: wide(p, dense, bags) + deep(p, emb(p, dense, bags).flatten(1))


def youtube_ranking(s):
    c, e, tables = s.c, s.c["embeddingDim"], len(s.c["tables"])
    for t, rows in enumerate(c["tables"]):
        s.add(f"emb.{t}.weight", rows, e, scale=0.5)
    deep = tower(s, "mlp", tables * e + 3 * c["dense"], [*c["hidden"], 1], c)

    def forward(p, dense, bags):
        v = [bag(p[f"emb.{t}.weight"], b) for t, b in enumerate(bags)]
        return deep(p, torch.cat([*v, dense, dense.sqrt(), dense * dense], 1))

    return forward


def xdeepfm(s):
    c, e, m = s.c, s.c["embeddingDim"], field_count(s.c)
    emb, first = fields(s, "emb", e), linear(s, "linear")
    direct, act = c["direct"], ACTIVATIONS[c["cinActivation"]]
    layers, before, out_width = c["cinLayers"], m, 0
    for k, h in enumerate(layers):
        s.add(f"cin.{k}.weight", h, before * m)
        s.add(f"cin.{k}.bias", h)
        split = not direct and k < len(layers) - 1
        before, out_width = (h // 2 if split else h), out_width + (h - h // 2 if split else h)
    compress = layer(s, "cin_out.0", out_width, 1, bias=False)
    deep = tower(s, "mlp", m * e, [*c["hidden"], 1], c)

    def forward(p, dense, bags):
        v = emb(p, dense, bags)
        x, outs = v, []
        for k, h in enumerate(layers):
            products = torch.einsum("bie,bje->bije", x, v).flatten(1, 2)
            maps = act(torch.einsum("hn,bne->bhe", p[f"cin.{k}.weight"], products) + p[f"cin.{k}.bias"][:, None])
            if not direct and k < len(layers) - 1:
                x, maps = maps[:, : h // 2], maps[:, h // 2 :]
            else:
                x = maps
            outs.append(maps.sum(2))
        return first(p, dense, bags) + compress(p, torch.cat(outs, 1)) + deep(p, v.flatten(1))

    return forward


def dcn_v2(s):
    c = s.c
    n, rank, experts = field_count(c) * c["embeddingDim"], c["rank"], c["experts"]
    emb = fields(s, "emb", c["embeddingDim"])
    for l in range(c["crossLayers"]):
        if rank == 0:
            s.add(f"cross.{l}.weight", n, n)
        if rank:
            s.add(f"cross.{l}.U", n, max(experts, 1) * rank)
            s.add(f"cross.{l}.V", n, max(experts, 1) * rank)
        if experts:
            s.add(f"cross.{l}.C", experts * rank, rank)
            s.add(f"cross.{l}.gate", experts, n)
        s.add(f"cross.{l}.bias", n)
    stacked = c["structure"] == "stacked"
    deep = tower(s, "mlp", n, c["hidden"], c, last="activation")
    out = head(s, c, c["hidden"][-1] + (0 if stacked else n))

    def cross(p, x0):
        x = x0
        for l in range(c["crossLayers"]):
            b = p[f"cross.{l}.bias"]
            if rank == 0:
                x = x0 * (x @ p[f"cross.{l}.weight"].T + b) + x
            elif experts == 0:
                x = x0 * (x @ p[f"cross.{l}.V"] @ p[f"cross.{l}.U"].T + b) + x
            else:
                gates = torch.softmax(x @ p[f"cross.{l}.gate"].T, 1)
                mixed = 0
                for k in range(experts):
                    part = slice(k * rank, (k + 1) * rank)  # of this expert
                    inner = torch.tanh(torch.tanh(x @ p[f"cross.{l}.V"][:, part]) @ p[f"cross.{l}.C"][part].T)
                    mixed = mixed + gates[:, k : k + 1] * (x0 * (inner @ p[f"cross.{l}.U"][:, part].T + b))
                x = mixed + x
        return x

    def forward(p, dense, bags):
        x0 = emb(p, dense, bags).flatten(1)
        crossed = cross(p, x0)
        return out(p, deep(p, crossed) if stacked else torch.cat([crossed, deep(p, x0)], 1))

    return forward


SMALL = dict(tables=[7, 23, 4], dense=0, batchSize=17, maxBag=1, weights=False, embeddingDim=5, softLabels=False)
MIXED = dict(tables=[9, 2, 31, 5], dense=3, batchSize=33, maxBag=4, weights=True, embeddingDim=3, softLabels=False)
WIDE = dict(tables=[50, 3, 12, 8, 40], dense=2, batchSize=64, maxBag=3, weights=False, embeddingDim=10, softLabels=False)
BASES = (SMALL, MIXED, WIDE)
ADAGRAD, SGD = options("adagrad", 0.02), options("sgd", 0.05)

# (kind, definition, what the cases add to each base)
MODELS = [
    ("lr", lr, [{}, {}, {}]),
    ("mf", mf, [dict(dense=0, tables=[20, 30], maxBag=1), dict(dense=0, tables=[9, 40], feedback="rating", softLabels=True)]),
    ("fm", fm, [{}, {}, {}]),
    ("ffm", ffm, [dict(factors=4), dict(factors=3), dict(factors=8)]),
    ("wide_deep", wide_deep, [dict(hidden=[9, 6]), dict(hidden=[11], norm="batch"), dict(hidden=[16, 8], activation="tanh")]),
    ("deepfm", deepfm, [dict(hidden=[9, 6]), dict(hidden=[7, 5], norm="batch"), dict(hidden=[8], activation="gelu", norm="layer")]),
    ("nfm", nfm, [dict(hidden=[9, 6]), dict(hidden=[7, 5], norm="batch"), dict(hidden=[8], activation="prelu")]),
    ("norm_dnn", norm_dnn, [dict(hidden=[9, 6], norm="layer", embeddingNorm="layer", fm=False),
                            dict(hidden=[9, 6], norm="batch", embeddingNorm="none", fm=True),
                            dict(hidden=[12, 6], norm="layer", embeddingNorm="variance", fm=False)]),
    ("dcn", dcn, [dict(hidden=[9, 6], crossLayers=3), dict(hidden=[8], crossLayers=1), dict(hidden=[10, 7], crossLayers=2, norm="batch")]),
    ("dcn_v2", dcn_v2, [dict(hidden=[9, 6], crossLayers=2, rank=0, experts=0, structure="parallel"),
                        dict(hidden=[8], crossLayers=2, rank=4, experts=0, structure="stacked"),
                        dict(hidden=[8, 7], crossLayers=2, rank=3, experts=4, structure="parallel")]),
    ("xdeepfm", xdeepfm, [dict(hidden=[9, 6], cinLayers=[4, 3], direct=True, cinActivation="none"),
                          dict(hidden=[8], cinLayers=[6, 4, 5], direct=False, cinActivation="relu"),
                          dict(hidden=[12], cinLayers=[10, 10], direct=True, cinActivation="none")]),
    ("youtube_ranking", youtube_ranking, [dict(hidden=[9, 6], dense=2), dict(hidden=[8]), dict(hidden=[11, 5])]),
    ("deeplight", deeplight, [dict(hidden=[9, 6]), dict(hidden=[8]), dict(hidden=[9, 7], norm="batch")]),
]


def cases():
    for kind, definition, variants in MODELS:
        for number, (base, more) in enumerate(zip(BASES, variants)):
            # A bias before batch normalisation has gradient 0, and Adagrad makes steps of rounding errors.
            optimizer = SGD if number == 0 or more.get("norm") == "batch" else ADAGRAD
            name = f"{kind} {number + 1}"
            yield definition, {"name": name, "kind": kind, "optimizer": optimizer, **base, **more}


def run(c, s, forward, dtype):
    g = Generator(c["seed"])
    p = {n: torch.from_numpy(g.symmetric(math.prod(d), scale).reshape(d)).to(dtype).requires_grad_() for n, (d, scale) in s.items()}
    trained = list(p.values())
    p.update({n: b.to(dtype).clone() for n, b in s.buffers.items()})
    o = c["optimizer"]
    rule = torch.optim.SGD(trained, lr=o["lr"]) if o["rule"] == "sgd" else torch.optim.Adagrad(trained, lr=o["lr"], eps=o["eps"])
    tensor = lambda x: None if x is None else torch.from_numpy(x).to(dtype)
    data = [
        (tensor(d), [(torch.from_numpy(o), torch.from_numpy(i), tensor(w)) for o, i, w in bags], tensor(y)[:, None])
        for d, bags, y in make.batches(c)
    ]
    if c["kind"] == "youtube_ranking":  # features in [0, 1)
        data = [(d.abs() / 2, bags, y) for d, bags, y in data]
    example_weights = [tensor(Generator(c["seed"] + 2 + k).unit(c["batchSize"]) * 3)[:, None] for k in range(STEPS)]

    def predict(train, k):
        p["train"] = train
        return forward(p, *data[k][:2])

    def final(z):
        if c.get("feedback") == "rating":
            return z
        return torch.exp(z) if c["kind"] == "youtube_ranking" else torch.sigmoid(z)

    with torch.no_grad():
        before = final(predict(False, 0))[:, 0].clone()
    losses = []
    for k in range(STEPS):
        rule.zero_grad()
        z, y = predict(True, k), data[k][2]
        if c.get("feedback") == "rating":
            loss = nn.mse_loss(z, y)
        elif c["kind"] == "youtube_ranking":
            weights = torch.where(y > 0, example_weights[k], torch.ones_like(y))
            loss = nn.binary_cross_entropy_with_logits(z, y, weight=weights)
        else:
            loss = nn.binary_cross_entropy_with_logits(z, y)
        loss.backward()
        rule.step()
        losses.append(loss.item())
    with torch.no_grad():
        after = final(predict(False, 0))[:, 0]
    del p["train"]
    return losses, before, after, {n: v.detach() for n, v in p.items()}


def main():
    torch.set_num_threads(1)
    make.STEPS = STEPS
    done = []
    for definition, c in cases():
        for seed in range(1, 200):
            c["seed"] = 1000 * seed
            s = Shapes(c)
            s.buffers = {}
            forward = definition(s)
            losses, before, after, state = run(c, s, forward, torch.float64)
            single = run(c, s, forward, torch.float32)
            error = max(distance(single[3][n], state[n]) for n in state)
            error = max(error, distance(single[2], after))
            if error < 3e-6 and max(losses) < 20 and before.max() - before.min() > 0.02:
                break
        else:
            raise SystemExit(f"{c['name']}: no seed will do")
        print(f"{c['name']:20} seed {c['seed']} params {sum(v.numel() for v in state.values())} loss {losses[0]:.4f} -> {losses[-1]:.4f} float32 error {error:.1e}")
        c["expected"] = dict(
            losses=losses, predictions=pack(before), finalPredictions=pack(after), final={n: pack(v) for n, v in state.items()}
        )
        c["parameters"] = [[n, d, scale] for n, (d, scale) in s.items()]
        done.append(c)
    source = f"PyTorch {torch.__version__}, float64 rounded to float32; see make_models.py"
    (HERE / "models.json").write_text(json.dumps(dict(source=source, steps=STEPS, cases=done), indent=1) + "\n")


if __name__ == "__main__":
    main()
