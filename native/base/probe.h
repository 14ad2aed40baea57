// What this machine can do at most, measured now: the peaks that the benchmark holds the kernels against. Bounds of real
// kernels, so each is the plainest loop that reaches it, on the same pool and in the same kind of memory as the ops.
#pragma once
#include <cstdint>

#include "base/isa.h"
#include "base/memory.h"
#include "base/pool.h"

namespace dlrm {

enum class ProbeKind {
  fma,     // multiply-adds on registers alone, in flops/s
  read,    // `bytes` read front to back again and again, in bytes/s
  gather,  // rows of `row_bytes` at random places of a table of `bytes`, in bytes/s of row
  update,  // the same rows changed in place, in bytes/s read and written
};

struct ProbeSpec {
  ProbeKind kind = ProbeKind::fma;
  Isa isa = Isa::scalar;
  int64_t bytes = 1 << 20;   // 4096 to 2^36
  int64_t row_bytes = 64;    // a multiple of 4, at most `bytes`
  double seconds = 0.05;     // how long to measure; the best stretch counts
};

// Throws ERR_ARGUMENT for sizes outside these bounds, ERR_MEMORY.
double probe(const ProbeSpec& spec, Pool* pool);

// Reads a buffer four times as large as the last cache: what lay there before no longer does. Throws ERR_MEMORY.
class CacheSweep {
 public:
  CacheSweep();
  void run(Pool* pool);

 private:
  Buffer buffer_;
};

// The loops, per instruction set. What they return only keeps the compiler from dropping them.
struct ProbeKernels {
  int64_t flops_per_round;
  float (*fma)(int64_t rounds);
  float (*read)(const float* data, int64_t floats);
  // `ahead`: rows fetched ahead
  float (*gather)(const float* table, int64_t width, const int32_t* rows, int64_t count, int64_t ahead);
  float (*update)(float* table, int64_t width, const int32_t* rows, int64_t count, int64_t ahead);
};

extern const ProbeKernels probe_scalar, probe_avx2, probe_avx512;

}  // namespace dlrm
