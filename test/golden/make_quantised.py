"""Writes quantised.json: rows of tables as PyTorch quantises them.

Run: python make_quantised.py   (PyTorch 2.13)

Rows of several ranges: the usual one, small, smaller than float16's least number, large, constant, far from 0. PyTorch takes even
widths only for 4 bits. All is base64, weights of float32.
"""
import base64
import json
from pathlib import Path

import torch

torch.manual_seed(1)


def packed(tensor):
    return base64.b64encode(tensor.numpy().tobytes()).decode()


cases = []
for width in (1, 2, 5, 16, 64):
    weight = torch.randn(6, width) * torch.tensor([1.0, 1e-3, 1e-9, 300.0, 0.0, 1.0]).unsqueeze(1) + 0.0  # no -0
    weight[5] += 7
    case = {"width": width, "weight": packed(weight), "int8": packed(torch.ops.quantized.embedding_bag_byte_prepack(weight))}
    if width % 2 == 0:
        case["int4"] = packed(torch.ops.quantized.embedding_bag_4bit_prepack(weight))
    cases.append(case)
Path(__file__).with_name("quantised.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
