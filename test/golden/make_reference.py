"""Writes reference_losses_more.json: losses of the reference script for command lines of our own choosing.

Run: python make_reference.py <folder of facebookresearch/dlrm at 090956e>   (PyTorch 2.13, NumPy)

The script runs unchanged but for its output, which gets nine digits in place of six decimals, and modules it imports without need.
A second run computes in float64 from the same float32 initial values and data. A case is kept only when both agree within 2e-6 at
every iteration: otherwise rounding (a ReLU that flips, a gradient near 0 under Adagrad) decides its losses, and another
processor would print other ones. `float32Error` is that difference.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

RUNNER = r'''
import sys, types, warnings
warnings.simplefilter("ignore")
precision, flags = sys.argv[1], sys.argv[2:]
sys.path.insert(0, ".")
for name in ["torch.utils.tensorboard", "mlperf_logger"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["torch.utils.tensorboard"].SummaryWriter = lambda *a: types.SimpleNamespace(add_scalar=lambda *a: None)
import torch
torch.set_num_threads(1)

def patched(path, *changes):
    text = open(path).read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return compile(text, path, "exec")

changes = [('" loss {:.6f}"', '" loss {:.9g}"')]
if precision == "float64":
    built = '    # test prints\n    if args.debug_mode:\n        print("initial parameters (weights and bias):")'
    changes += [
        ("return dlrm(X.to(device), lS_o, lS_i)", "return dlrm(X.to(device).double(), lS_o, lS_i)"),
        ("dlrm.loss_fn(Z, T.to(device))", "dlrm.loss_fn(Z, T.to(device).double())"),
        ("torch.ones(n, dtype=torch.float32)", "torch.ones(n, dtype=torch.float64)"),
        (built, "    dlrm = dlrm.double()\n" + built),
    ]
    import optim
    optim.rwsadagrad = sys.modules["optim.rwsadagrad"] = types.ModuleType("optim.rwsadagrad")
    exec(patched("optim/rwsadagrad.py", ("dtype=torch.float32", "dtype=torch.float64")), optim.rwsadagrad.__dict__)
sys.argv = ["dlrm_s_pytorch.py", "--print-freq=1", *flags]
exec(patched("dlrm_s_pytorch.py", *changes))
'''

BCE = "--loss-function=bce --round-targets=True"
ODD = "--arch-sparse-feature-size=5 --arch-embedding-size=7-1-13-29 --arch-mlp-bot=3-11-5 --arch-mlp-top=9-6-1"
WIDE = (
    "--arch-sparse-feature-size=16 --arch-embedding-size=1000-10-333-4000-77 --arch-mlp-bot=13-64-32-16"
    " --arch-mlp-top=64-32-1 --num-indices-per-lookup=8 --mini-batch-size=100"
)
TABLES = "--arch-embedding-size=40-900-300-6 --mini-batch-size=6 --data-size=36 --learning-rate=0.1"
CASES = {
    "odd-dot": f"--numpy-rand-seed=1 {ODD} {BCE} --mini-batch-size=13 --data-size=60 --learning-rate=0.3 --num-indices-per-lookup=6",
    "odd-cat": f"--numpy-rand-seed=7 {ODD} {BCE} --arch-interaction-op=cat --mini-batch-size=7 --data-size=50 --learning-rate=0.5",
    "odd-itself-mse-threshold": f"--numpy-rand-seed=2024 {ODD} --arch-interaction-itself --loss-threshold=0.4 --mini-batch-size=9"
    " --data-size=60 --learning-rate=1",
    "learned-pooling": f"--numpy-rand-seed=7 {ODD} {BCE} --weighted-pooling=learned --mini-batch-size=16 --num-batches=8 --learning-rate=0.5",
    "learned-pooling-adagrad": f"--numpy-rand-seed=1 {ODD} {BCE} --weighted-pooling=learned --mini-batch-size=16 --num-batches=8"
    " --optimizer=adagrad --learning-rate=0.02",
    "fixed-pooling-fixed-lookups": f"--numpy-rand-seed=2024 {ODD} {BCE} --weighted-pooling=fixed --num-indices-per-lookup=4"
    " --num-indices-per-lookup-fixed=1 --mini-batch-size=10 --data-size=64 --learning-rate=0.2",
    "wbce-adagrad": f"--numpy-rand-seed=1 {ODD} --loss-function=wbce --loss-weights=0.3-1.7 --round-targets=True --optimizer=adagrad"
    " --mini-batch-size=12 --data-size=100 --learning-rate=0.02",
    "wbce-threshold-cat": f"--numpy-rand-seed=7 {ODD} --loss-function=wbce --loss-weights=1.5-0.5 --round-targets=True --loss-threshold=0.45"
    " --arch-interaction-op=cat --mini-batch-size=12 --data-size=100 --learning-rate=0.3",
    "rwsadagrad-itself": f"--numpy-rand-seed=2024 {ODD} {BCE} --arch-interaction-itself --optimizer=rwsadagrad --mini-batch-size=11"
    " --data-size=70 --learning-rate=0.02",
    "rwsadagrad-mse": f"--numpy-rand-seed=7 {ODD} --optimizer=rwsadagrad --mini-batch-size=32 --data-size=200 --learning-rate=0.01",
    "schedule-gap": f"--numpy-rand-seed=1 {ODD} {BCE} --mini-batch-size=10 --num-batches=14 --learning-rate=0.8"
    " --lr-num-warmup-steps=4 --lr-decay-start-step=7 --lr-num-decay-steps=4",
    "schedule-warmup-only": f"--numpy-rand-seed=7 {ODD} {BCE} --mini-batch-size=10 --num-batches=8 --learning-rate=0.8"
    " --lr-num-warmup-steps=5 --lr-decay-start-step=5",
    "schedule-decay-at-once-adagrad": f"--numpy-rand-seed=2024 {ODD} {BCE} --mini-batch-size=10 --num-batches=8 --optimizer=adagrad"
    " --learning-rate=0.05 --lr-num-decay-steps=6",
    "gaussian": "--numpy-rand-seed=1 --arch-sparse-feature-size=4 --arch-embedding-size=12-9-20 --arch-mlp-bot=5-8-4 --arch-mlp-top=7-1"
    f" {BCE} --rand-data-dist=gaussian --rand-data-max=8 --rand-data-sigma=3 --mini-batch-size=10 --data-size=48 --learning-rate=0.3",
    "gaussian-mean": "--numpy-rand-seed=7 --arch-sparse-feature-size=4 --arch-embedding-size=12-9-20 --arch-mlp-bot=5-8-4 --arch-mlp-top=7-1"
    " --rand-data-dist=gaussian --rand-data-min=1 --rand-data-max=8 --rand-data-mu=2.5 --rand-data-sigma=1.5 --num-indices-per-lookup=5"
    " --num-indices-per-lookup-fixed=True --mini-batch-size=10 --data-size=48 --learning-rate=0.3",
    "md-narrow": f"{TABLES} {BCE} --arch-mlp-bot=4-9-8 --arch-sparse-feature-size=8 --md-flag --md-threshold=5 --md-temperature=0.8",
    "qr-concat": f"{TABLES} {BCE} --arch-mlp-bot=4-9-6 --arch-sparse-feature-size=3 --qr-flag --qr-operation=concat --qr-threshold=5",
    "two-epochs": f"--numpy-rand-seed=1 {ODD} {BCE} --nepochs=2 --mini-batch-size=16 --data-size=70 --learning-rate=0.2",
    "averaged": f"--numpy-rand-seed=2024 {ODD} {BCE} --print-freq=3 --mini-batch-size=16 --data-size=120 --learning-rate=0.2",
    "wide": f"--numpy-rand-seed=7 {WIDE} {BCE} --num-batches=12 --learning-rate=0.1",
    "wide-itself-adagrad": f"--numpy-rand-seed=1 {WIDE} {BCE} --arch-interaction-itself --num-batches=10 --optimizer=adagrad --learning-rate=0.005",
    "wide-rwsadagrad-wbce": f"--numpy-rand-seed=2024 {WIDE} --loss-function=wbce --loss-weights=0.4-1.2 --round-targets=True"
    " --num-batches=10 --optimizer=rwsadagrad --learning-rate=0.002",
}


def run(folder, precision, flags):
    command = [sys.executable, "-c", RUNNER, precision, *flags.split()]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    losses = [float(x) for x in re.findall(r"^Finished training .* loss (\S+)", result.stdout, re.M)]
    if result.returncode != 0 or not losses:
        sys.exit(f"{flags}\n{result.stdout[-1000:]}{result.stderr[-2000:]}")
    return losses


def main():
    folder = sys.argv[1]
    cases = {}
    for name, flags in CASES.items():
        losses = run(folder, "float32", flags)
        truth = run(folder, "float64", flags)
        error = max(abs(a / b - 1) for a, b in zip(losses, truth, strict=True))
        print(f"{name:32} {len(losses):3} losses {losses[0]:.6f} .. {losses[-1]:.6f}  float32 error {error:.1e}", flush=True)
        if error > 2e-6:
            sys.exit("ill conditioned: choose another learning rate or seed")
        cases[name] = {"flags": flags, "losses": losses, "float32Error": float(f"{error:.1e}")}
    source = (
        "facebookresearch/dlrm at commit 090956e, dlrm_s_pytorch.py on the CPU in float32, --print-freq=1 unless the flags say otherwise;"
        " losses with nine digits; see make_reference.py"
    )
    text = json.dumps({"source": source, "cases": cases}, indent=1)
    Path(__file__).with_name("reference_losses_more.json").write_text(text + "\n")


main()
