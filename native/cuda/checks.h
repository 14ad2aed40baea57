// Kernels that try what device.cuh declares, for native/test/cuda_test.cpp, which compares the GPU and the emulator with plain
// loops. kernels("checks") of a plugin; no op.
#pragma once
#include <cstdint>

#include "cuda/plugin.h"

namespace dlrm {

constexpr int kCheckWords = 12;

struct CudaChecks {
  // d [16][8] += a b of row-major bf16 matrices a [16][16] and b [16][8], fetched by cp_async16 and ldmatrix
  void (*mma_bf16)(const uint16_t* a, const uint16_t* b, float* d, CudaStream);
  // d [16][8] += a b of a [16][8] and b [8][8], rounded by to_tf32
  void (*mma_tf32)(const float* a, const float* b, float* d, CudaStream);
  // to[i] = from[i] for i < n, 0 up to the next multiple of 4, by cp_async16 in three stages of 128 numbers; both aligned to 16
  void (*stages)(const float* from, float* to, int64_t n, CudaStream);
  // words[i] = to_bf16, tf32[i] = to_tf32 of x[i]
  void (*round)(const float* x, uint16_t* bf16, uint32_t* tf32, int64_t n, CudaStream);
  // out [32][kCheckWords]: what each lane gets from the functions of a warp; cuda_test.cpp has the same list
  void (*warp)(uint32_t* out, CudaStream);
  // *out = the sum of 0 .. 255, as block_sum, each thread having its number
  void (*block)(double* out, CudaStream);
};

extern const CudaChecks checks_cuda;

}  // namespace dlrm
