"""The golden files' random numbers: mulberry32, the same few lines in ../support/generator.ts.

Files hold seeds instead of data. A number is a pure function of its position, so NumPy draws many at once.
"""
import numpy as np


class Generator:
    def __init__(self, seed):
        self.state = seed & 0xFFFFFFFF

    def u32(self, n):
        """[n] uint32, uniform."""
        with np.errstate(over="ignore"):
            a = np.uint32(self.state) + np.arange(1, n + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
            t = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
            t = (t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))) ^ t
        self.state = (self.state + n * 0x6D2B79F5) & 0xFFFFFFFF
        return t ^ (t >> np.uint32(14))

    def unit(self, n):
        """[n] float32 in [0, 1): the upper 24 bits, exact."""
        return (self.u32(n) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)

    def symmetric(self, n, scale):
        """[n] float32 in [-scale, scale): (2 u - 1) scale; 2 u - 1 is exact, so the only rounding is the last one."""
        return (self.unit(n) * np.float32(2) - np.float32(1)) * np.float32(scale)

    def below(self, n, bound):
        """[n] int64 in [0, bound), bound < 2^21: floor(u bound) in float64, exact enough to be the same everywhere."""
        return np.floor(self.unit(n).astype(np.float64) * bound).astype(np.int64)
