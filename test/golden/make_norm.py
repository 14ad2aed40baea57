"""Towers in PyTorch: losses of three SGD steps, the parameters and running statistics after them, predictions in eval mode.

    python test/golden/make_norm.py > test/golden/norm.json

Each tower is Linear -> norm -> activation per layer, the last a Linear of width 1; loss is the mean binary cross entropy.
"""
import json

import torch

B, D, LR, STEPS = 9, 6, 0.5, 3

CASES = {
    "batch": dict(norm="batch", activation="relu"),
    "batch_tanh": dict(norm="batch", activation="tanh"),
    "layer": dict(norm="layer", activation="relu"),
    "layer_gelu": dict(norm="layer", activation="gelu"),
    "batch_prelu": dict(norm="batch", activation="prelu"),
    "fields": dict(norm="none", activation="tanh", groups=3),
}


def act(kind, n):
    return {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU, "prelu": lambda: torch.nn.PReLU(n)}[kind]()


class FieldNorm(torch.nn.Module):
    """A LayerNorm of its own for each of equal groups of columns; its parameters side by side."""

    def __init__(self, n, groups):
        super().__init__()
        self.weight, self.bias, self.groups = torch.nn.Parameter(torch.ones(n)), torch.nn.Parameter(torch.zeros(n)), groups

    def forward(self, x):
        y = torch.nn.functional.layer_norm(x.view(len(x), self.groups, -1), (x.shape[1] // self.groups,))
        return y.reshape(x.shape) * self.weight + self.bias


class Tower(torch.nn.Module):
    def __init__(self, norm, activation, groups=0, layers=(7, 5)):
        super().__init__()
        self.named = {}
        steps = []

        def add(name, module):
            steps.append(module)
            for key, value in module.state_dict(keep_vars=True).items():
                if not key.endswith("num_batches_tracked"):
                    self.named[f"{name}.{key}"] = value

        if groups:
            add("fields", FieldNorm(D, groups))
        width = D
        for l, n in enumerate(layers):
            add(f"deep.{2 * l}" if norm == "none" else f"deep.{l}.0", torch.nn.Linear(width, n))
            if norm != "none":
                add(f"deep.{l}.norm", torch.nn.BatchNorm1d(n) if norm == "batch" else torch.nn.LayerNorm(n))
            add(f"deep.{l}.activation", act(activation, n))
            width = n
        add("head.0", torch.nn.Linear(width, 1))
        self.steps = torch.nn.Sequential(*steps)

    def forward(self, x):
        return self.steps(x)[:, 0]


def tensors(model):
    return {name: {"shape": list(value.shape), "data": value.detach().flatten().tolist()} for name, value in model.named.items()}


def run(name, config):
    torch.manual_seed(len(name))
    model = Tower(**config)
    with torch.no_grad():  # so that no mistake hides behind ones and zeros
        for value in model.parameters():
            value.add_(0.3 * torch.randn_like(value))
    initial = tensors(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    batches, losses = [], []
    for _ in range(STEPS):
        x, y = 2 * torch.randn(B, D) + 1, torch.randint(0, 2, (B,)).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append({"dense": x.flatten().tolist(), "labels": y.tolist()})
        losses.append(loss.item())
    model.eval()
    x = torch.tensor(batches[0]["dense"]).view(B, D)
    predictions = torch.sigmoid(model(x)).tolist()
    return dict(name=name, **config, initial=initial, batches=batches, losses=losses, final=tensors(model), predictions=predictions)


print(json.dumps([run(name, config) for name, config in CASES.items()]))
