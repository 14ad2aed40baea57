"""The cases of ../train.ts in PyTorch: a whole training step or a prediction; one JSON line.

python torch_dlrm.py --spec '{"case": "step", "batch": 2048, "model": {...}}' [--ways "eager,compiled bf16"] [--threads 4] [--seconds 2]

`model` is a shape of ../shapes.ts. bf16 is autocast: master weights, tables and the optimizer stay in fp32.
"""
import torch
from torch import nn

from timing import arguments, best_of, median_of


def layers(widths, last):
    """Linear and ReLU in turn; without the last ReLU unless `last`."""
    parts = []
    for inputs, outputs in zip(widths, widths[1:]):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*(parts if last else parts[:-1]))


class Dlrm(nn.Module):
    def __init__(self, dense, tables, rows, width, bottom, top, **_):
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum", sparse=True) for _ in range(tables))
        self.bottom = layers([dense, *bottom, width], True)
        vectors = tables + 1
        i, j = torch.tril_indices(vectors, vectors, -1)
        self.register_buffer("pairs", i * vectors + j)
        self.top = layers([width + len(i), *top, 1], False)

    def forward(self, dense, indices, offsets):
        x = self.bottom(dense)
        z = torch.stack([x] + [table(i, offsets).to(x.dtype) for table, i in zip(self.tables, indices)], 1)
        products = torch.bmm(z, z.transpose(1, 2)).flatten(1).index_select(1, self.pairs)
        return self.top(torch.cat([x, products], 1))


def make_batch(size, dense, tables, rows, pooling, **_):
    indices = [torch.randint(0, rows, (size * pooling,)) for _ in range(tables)]
    return torch.rand(size, dense) * 2 - 1, indices, torch.randint(0, 2, (size, 1)).float()


def main():
    args = arguments(__doc__)
    case, size, shape = (args.spec[key] for key in ("case", "batch", "model"))
    net = Dlrm(**shape)
    batches = [make_batch(size, **shape) for _ in range(8)]
    offsets = torch.arange(0, size * shape["pooling"], shape["pooling"])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss_of = nn.functional.binary_cross_entropy_with_logits

    def measure(forward, bf16):
        def step(dense, indices, labels):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                out = forward(dense, indices, offsets)
            loss = loss_of(out.float(), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            return loss.item()

        @torch.inference_mode()
        def predict(dense, indices, _):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                return torch.sigmoid(forward(dense, indices, offsets).float()).numpy()

        return median_of(step if case == "step" else predict, batches, args.seconds)

    best_of(args, net.eval() if case == "predict" else net, case == "predict", measure)


main()
