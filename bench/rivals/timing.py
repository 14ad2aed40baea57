"""What the PyTorch scripts share: the ways to run a module, and a clock."""
import argparse
import json
import statistics
import time

import torch

WAYS = ["eager", "compiled", "eager bf16", "compiled bf16"]


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--spec", type=json.loads, required=True, help="the case, as JSON")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=WAYS[:1], help="of " + ", ".join(WAYS))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    return args


def median_of(call, batches, seconds, prepare=None):
    """Median milliseconds of call(*batch), batches in turn, after a warm-up; `prepare` makes what it is called with, untimed.
    Fewer than five calls count where one takes seconds, as some do in bf16 on a CPU without it."""
    prepare = prepare or (lambda *batch: batch)
    times = []

    def timed(i):
        ready = prepare(*batches[i % len(batches)])
        start = time.perf_counter()
        call(*ready)
        return time.perf_counter() - start

    for i in range(4):  # the first compiles
        if timed(i) > seconds and i > 0:
            break
    begin = time.perf_counter()
    elapsed = 0
    while not times or elapsed < (1 if len(times) >= 5 else 4) * seconds:
        took = timed(len(times))
        elapsed = time.perf_counter() - begin
        if len(times) > 0 or elapsed > min(seconds, 0.5) / 4:
            times.append(took)
    return 1000 * statistics.median(times)


def best_of(args, module, inference, measure):
    """Prints milliseconds of each way, and why a way failed; `measure(forward, bf16)` times one."""
    if inference:
        torch._inductor.config.freezing = True  # weights in the layout that the products want, as its manual says to
    ways, errors = {}, {}
    for way in args.ways:
        try:
            forward = torch.compile(module) if way.startswith("compiled") else module
            ways[way] = measure(forward, way.endswith("bf16"))
        except Exception as error:  # no compiler, or a module that it refuses: say so, keep the other figures
            errors[way] = f"{type(error).__name__}: {error}".splitlines()[0]
    print(json.dumps({"name": "PyTorch", "version": torch.__version__, "ways": ways, "errors": errors}))
