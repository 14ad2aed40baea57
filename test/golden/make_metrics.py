"""Writes metrics.json: figures of scikit-learn for predictions that a test can make again. Run: python make_metrics.py"""
import json
from pathlib import Path

import numpy as np
import sklearn
from scipy.special import entr
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, roc_auc_score

from generator import Generator

CASES = [  # levels: predictions are rounded down to multiples of 1/levels (0: not), so that ties and the values 0 and 1 occur
    {"name": "plain", "seed": 1, "samples": 5000, "levels": 0, "sharpness": 1},
    {"name": "ties", "seed": 2, "samples": 3001, "levels": 8, "sharpness": 1},
    {"name": "rare positives", "seed": 3, "samples": 20000, "levels": 0, "sharpness": 4},
    {"name": "two predictions", "seed": 4, "samples": 1000, "levels": 1, "sharpness": 1},
    {"name": "three examples", "seed": 7, "samples": 3, "levels": 0, "sharpness": 1},
    {"name": "a million", "seed": 6, "samples": 1000000, "levels": 0, "sharpness": 2},
]

for case in CASES:
    g = Generator(case["seed"])
    n = case["samples"]
    p = g.unit(n)
    chance = p.astype(np.float64) ** case["sharpness"]
    if case["levels"]:
        p = np.floor(p * np.float32(case["levels"] + 1)).astype(np.float32) / np.float32(case["levels"])
    y = (g.unit(n) < chance).astype(np.float32)
    eps = float(np.finfo(np.float32).eps)  # what log_loss clamps float32 predictions to; the sum itself in float64
    logloss = log_loss(y, np.clip(p.astype(np.float64), eps, 1 - eps), labels=[0, 1])
    assert abs(logloss / log_loss(y, p, labels=[0, 1]) - 1) < 1e-5
    base = entr(y.mean(dtype=np.float64)) + entr(1 - y.mean(dtype=np.float64))
    case["expected"] = {
        "samples": n,
        "auc": roc_auc_score(y, p),
        "logloss": float(logloss),
        "normalizedEntropy": float(logloss / base),
        "accuracy": accuracy_score(y, p > 0.5),
        "calibration": float(p.mean(dtype=np.float64) / y.mean(dtype=np.float64)),
        "mse": float(mean_squared_error(y.astype(np.float64), p.astype(np.float64))),
    }
    case["expected"]["rmse"] = case["expected"]["mse"] ** 0.5

out = {"source": f"scikit-learn {sklearn.__version__}; float32 predictions, clamped as log_loss does, summed in float64", "cases": CASES}
Path(__file__).with_name("metrics.json").write_text(json.dumps(out, indent=1) + "\n")
