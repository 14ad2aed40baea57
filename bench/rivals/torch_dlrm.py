"""The cases of ../train.ts in PyTorch, eager and compiled; one JSON line, the faster of the two.

python torch_dlrm.py --case step|predict --batch 2048 [--threads 4] [--seconds 2] [--rows 100000] [--no-compile]
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn

WIDTH, TABLES = 16, 26
BOTTOM, TOP = [13, 512, 256, 64, WIDTH], [512, 256, 1]


def layers(widths, last):
    """Linear and ReLU in turn; without the last ReLU unless `last`."""
    parts = []
    for inputs, outputs in zip(widths, widths[1:]):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*(parts if last else parts[:-1]))


class Dlrm(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, WIDTH, mode="sum", sparse=True) for _ in range(TABLES))
        self.bottom = layers(BOTTOM, True)
        vectors = TABLES + 1
        i, j = torch.tril_indices(vectors, vectors, -1)
        self.register_buffer("pairs", i * vectors + j)
        self.top = layers([WIDTH + len(i)] + TOP, False)

    def forward(self, dense, indices, offsets):
        x = self.bottom(dense)
        z = torch.stack([x] + [table(i, offsets) for table, i in zip(self.tables, indices)], 1)
        products = torch.bmm(z, z.transpose(1, 2)).flatten(1).index_select(1, self.pairs)
        return self.top(torch.cat([x, products], 1))


def make_batch(size, rows):
    indices = [torch.randint(0, rows, (size,)) for _ in range(TABLES)]
    return torch.rand(size, BOTTOM[0]) * 2 - 1, indices, torch.randint(0, 2, (size, 1)).float()


def measure(case, forward, net, batches, seconds):
    """Milliseconds of each call."""
    offsets = torch.arange(len(batches[0][0]))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss_of = nn.functional.binary_cross_entropy_with_logits

    def step(dense, indices, labels):
        loss = loss_of(forward(dense, indices, offsets), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def predict(dense, indices, _):
        return torch.sigmoid(forward(dense, indices, offsets)).numpy()

    call = step if case == "step" else predict
    for batch in batches[:4]:  # compiles
        call(*batch)
    warm = time.perf_counter() + min(seconds, 0.5) / 2
    end = warm + seconds
    times, i = [], 0
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call(*batches[i % len(batches)])
        stop = time.perf_counter()
        i += 1
        if i > 3 and stop > warm:
            times.append(1000 * (stop - start))
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=["step", "predict"], default="step")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = Dlrm(args.rows)
    batches = [make_batch(args.batch, args.rows) for _ in range(8)]
    medians = {"eager": statistics.median(measure(args.case, net, net, batches, args.seconds))}
    if not args.no_compile:
        try:
            compiled = torch.compile(net)
            medians["compiled"] = statistics.median(measure(args.case, compiled, net, batches, args.seconds))
        except Exception as error:  # no compiler, or a model that it refuses: say so, keep the eager figure
            medians["compile_error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    figures = {k: v for k, v in medians.items() if isinstance(v, float)}
    best = min(figures, key=figures.get)
    print(json.dumps({
        "case": args.case, "batch": args.batch, "threads": torch.get_num_threads(), "torch": torch.__version__,
        "median": figures[best], "way": best, **medians,
    }))


main()
