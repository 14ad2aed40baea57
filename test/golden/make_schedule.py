"""Writes schedule.json: the rates that PyTorch's optimizer sees, step by step, under the reference's LRPolicyScheduler.

Run: python make_schedule.py <folder of facebookresearch/dlrm>. The class is taken out of the script and run, not rewritten.
"""
import ast
import json
import sys
import warnings
from pathlib import Path

import torch

warnings.simplefilter("ignore")
source = (Path(sys.argv[1]) / "dlrm_s_pytorch.py").read_text()
(definition,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "LRPolicyScheduler"]
names = {"_LRScheduler": torch.optim.lr_scheduler.LRScheduler, "sys": sys}
exec(compile(ast.Module([definition], []), "dlrm_s_pytorch.py", "exec"), names)


def rates(warmup, start, decay, base, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=base)
    scheduler = names["LRPolicyScheduler"](optimizer, warmup, start, decay)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        parameter.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    return seen


CASES = [(0, 0, 0, 0.1), (2, 2, 3, 0.1), (5, 8, 3, 0.1), (7, 7, 0, 0.3), (1, 1, 1, 0.1), (0, 0, 4, 0.02), (3, 9, 6, 0.7), (6, 6, 20, 1e-5), (4, 13, 0, 1.0)]
out = {"source": f"facebookresearch/dlrm LRPolicyScheduler on PyTorch {torch.__version__}", "cases": []}
for warmup, start, decay, base in CASES:
    lr = rates(warmup, start, decay, base, 30)
    out["cases"].append({"warmupSteps": warmup, "decayStartStep": start, "decaySteps": decay, "base": base, "lr": lr})
Path(__file__).with_name("schedule.json").write_text(json.dumps(out, indent=1) + "\n")
