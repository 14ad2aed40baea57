"""Ops of ../cases.ts in PyTorch, forward or backward; one JSON line.

python torch_ops.py --spec '{"op": "mlp", "pass": "backward", "batch": 2048, "widths": [1024, 1024]}' [--ways ...] [--threads 4] [--seconds 2]

Backward is the gradients of inputs and parameters alone: the forward part before each is not timed.
"""
import torch
from torch import nn
from torch.nn import functional as fn

from timing import arguments, best_of, median_of


class Bag(nn.Module):
    """One table of `rows` x `width`, `pooling` indices for each example; another batch each time."""

    def __init__(self, batch, rows, width, pooling):
        super().__init__()
        self.weight = nn.Parameter(torch.full((rows, width), 0.01), requires_grad=False)
        self.batches = [(torch.randint(0, rows, (batch * pooling,)), torch.arange(0, batch * pooling, pooling)) for _ in range(8)]

    def forward(self, indices, offsets):
        return fn.embedding_bag(indices, self.weight, offsets, mode="sum")


class Interaction(nn.Module):
    """[B, E + P]: x and the products of pairs, as ../../native/ops/interaction_dot says."""

    def __init__(self, batch, vectors, width):
        super().__init__()
        i, j = torch.tril_indices(vectors, vectors, -1)
        self.register_buffer("pairs", i * vectors + j)
        inputs = torch.randn(batch, width), torch.randn(batch, vectors - 1, width)
        self.batches = [[x.requires_grad_() for x in inputs]]

    def forward(self, x, e):
        z = torch.cat([x.unsqueeze(1), e], 1)
        return torch.cat([x, torch.bmm(z, z.transpose(1, 2)).flatten(1).index_select(1, self.pairs)], 1)


class Mlp(nn.Module):
    def __init__(self, batch, widths):
        super().__init__()
        parts = [part for k, n in zip(widths, widths[1:]) for part in (nn.Linear(k, n), nn.ReLU())]
        self.layers = nn.Sequential(*parts)
        self.batches = [[torch.randn(batch, widths[0]).requires_grad_()]]

    def forward(self, x):
        return self.layers(x)


OPS = {"embedding_bag": Bag, "interaction_dot": Interaction, "mlp": Mlp}


def main():
    args = arguments(__doc__)
    spec = dict(args.spec)
    op, backward = spec.pop("op"), spec.pop("pass") == "backward"
    module = OPS[op](**spec)

    def measure(forward, bf16):
        @torch.inference_mode()
        def infer(*batch):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                forward(*batch)

        def forward_first(*batch):
            module.zero_grad(set_to_none=True)
            for x in batch:
                x.grad = None
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                out = forward(*batch)
            return out, torch.ones_like(out)

        if backward:
            return median_of(lambda out, dout: out.backward(dout), module.batches, args.seconds, forward_first)
        return median_of(infer, module.batches, args.seconds)

    best_of(args, module, not backward, measure)


main()
