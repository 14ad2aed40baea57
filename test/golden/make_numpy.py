"""Writes numpy.json: numbers of NumPy's legacy generator, and batches drawn by the reference's data functions.

Run with facebookresearch/dlrm (commit 090956e) as the working directory:
  python make_numpy.py > numpy.json
"""
import base64
import collections
import contextlib
import json
import os
import sys
import tempfile
import types

import numpy as np

sys.modules["mlperf_logger"] = types.ModuleType("mlperf_logger")
sys.path.insert(0, os.getcwd())
import dlrm_data_pytorch as ref  # noqa: E402


def floats(a):
    return base64.b64encode(np.asarray(a, dtype="<f8").tobytes()).decode()


def generator(seed):
    r = np.random.RandomState(seed)
    out = {"seed": seed, "random": floats(r.random_sample(700)), "normal": floats(r.normal(0.5, 2.0, 301))}
    out["uniform"] = floats(r.uniform(-0.25, 4.0, 50))
    out["normal_after"] = floats(r.normal(-1.0, 0.125, 4))
    r.random_sample(123456)
    out["later"] = floats(r.random_sample(5))
    return out


def bags(offsets, indices):
    return [{"offsets": o.tolist(), "indices": i.tolist()} for o, i in zip(offsets, indices)]


def data(options, trace_file=""):
    o = dict(options)
    d = ref.RandomDataset(
        o["dense"], o["tables"], o["dataSize"], o["numBatches"], o["batchSize"], o["lookups"], o["fixed"], 1, o["round"],
        o.get("generation", "random"), trace_file, o.get("padding", False), reset_seed_on_access=True,
        rand_data_dist=o.get("dist", "uniform"), rand_data_min=o.get("min", 0), rand_data_max=o.get("max", 1),
        rand_data_mu=o.get("mu", -1), rand_data_sigma=o.get("sigma", 1), rand_seed=o["seed"])
    batches = []
    for j in range(len(d)):
        x, offsets, indices, t = d[j]
        batches.append({"dense": x.numpy().ravel().tolist(), "labels": t.numpy().ravel().tolist(), "tables": bags(offsets, indices)})
    return {"options": o, "batches": batches}


def profile(trace):
    _, distances, lines = ref.trace_profile(trace)
    distances.reverse()
    lines.reverse()
    counts = sorted(collections.Counter(distances).items())
    cumulative, total = [], 0.0
    for i, (_, k) in enumerate(counts):
        total = k / len(distances) if i == 0 else total + k / len(distances)
        cumulative.append(total)
    return {"lines": [int(x) for x in lines], "distances": [int(d) for d, _ in counts], "cumulative": cumulative}


def traces():
    rng = np.random.RandomState(3)
    source = [1, 2, 3, 4, 5, 3, 4, 1, 1, 6, 3]
    longer = np.minimum(rng.geometric(0.15, 300) - 1, 29).tolist()
    cases = []
    for trace in (source, longer):
        p = profile(trace)
        for padding in (False, True):
            np.random.seed(11)
            made = ref.trace_generate_lru(list(p["lines"]), p["distances"], p["cumulative"], 64, padding)
            cases.append({"trace": trace, "profile": p, "padding": padding, "seed": 11, "generated": [int(x) for x in made]})
    return cases


def synthetic():
    p = profile(np.minimum(np.random.RandomState(3).geometric(0.15, 300) - 1, 29).tolist())
    with tempfile.NamedTemporaryFile("w", suffix=".log", delete=False) as f:
        for key in ("lines", "distances", "cumulative"):
            s = str(p[key])
            f.write(s[1:-1] + "\n")
    base = {"generation": "synthetic", "dense": 2, "dataSize": 5, "numBatches": 0, "round": True, "seed": 5}
    cases = [dict(base, tables=[40, 7], batchSize=3, lookups=6, fixed=False),
             dict(base, tables=[30, 30, 30], batchSize=2, lookups=9, fixed=True, padding=True)]
    out = [data(o, f.name) for o in cases]
    os.unlink(f.name)
    return {"profile": p, "cases": out}


RANDOM = [
    dict(dense=4, tables=[4, 3, 2], dataSize=7, numBatches=0, batchSize=3, lookups=10, fixed=False, round=True, seed=123),
    dict(dense=3, tables=[1, 50, 1000, 9], dataSize=1, numBatches=3, batchSize=5, lookups=4, fixed=True, round=False, seed=0),
    dict(dense=1, tables=[100000], dataSize=10, numBatches=0, batchSize=4, lookups=1, fixed=True, round=False, seed=4294967295),
    dict(dense=13, tables=[17, 200], dataSize=6, numBatches=0, batchSize=6, lookups=7, fixed=False, round=True, seed=727),
    dict(dense=2, tables=[20, 30], dataSize=6, numBatches=0, batchSize=4, lookups=8, fixed=False, round=False, seed=9, dist="gaussian", min=0, max=19, mu=-1, sigma=4),
    dict(dense=2, tables=[20, 30], dataSize=4, numBatches=0, batchSize=4, lookups=5, fixed=True, round=False, seed=10, dist="gaussian", min=2, max=15, mu=5.5, sigma=3),
]

def main():
    with contextlib.redirect_stdout(sys.stderr):  # the reference prints warnings
        out = {
            "made_by": "test/golden/make_numpy.py, NumPy " + np.__version__ + ", facebookresearch/dlrm 090956e",
            "generator": [generator(s) for s in (0, 1, 123, 4294967295)],
            "random": [data(o) for o in RANDOM],
            "traces": traces(),
            "synthetic": synthetic(),
        }
    print(json.dumps(out, separators=(",", ":")))


if __name__ == "__main__":
    main()
