// Precision bf16: both passes as products of 32 x 32 blocks on the tensor cores (mma.m16n8k16), one warp per example where
// F <= 32. Fragments are made straight from 16-byte reads of device memory, which cover whole sectors; nothing but the
// triangle, packed, passes through shared memory. What makes this possible: a sum over k may take its terms in any order, so
// a lane's four consecutive columns serve as the columns 2t, 2t+1, 2t+8, 2t+9 of a fragment; and a product's columns may be
// computed in any order, so that what a lane reads and what it writes are consecutive.
//
// Per example of F = 27 and E = 128 the tensor cores need 6 x 8 and 16 x 4 instructions, about 30 and 40 clocks of a
// multiprocessor of an H100, which transfers the example's bytes (cuda_f32.cuh) in 1060 and 1990: only those count.
// Registers where F <= 32 and rows are aligned (nvcc 13.0, sm_80, sm_90, sm_100; no spills): forward 78, 71, 76; backward 94, 96, 114.
#pragma once
#include "ops/interaction_dot/cuda_common.cuh"

namespace dlrm::cuda {

constexpr int kBlock = 32;

// Four rows of z, each 8 further on, four columns: halves of the fragments of both factors of z z'.
template <bool kAligned>
__device__ __forceinline__ void load_rows(uint32_t (&low)[4], uint32_t (&high)[4], const InteractionDotForward& a, int64_t b, int i, int k) {
  float4 quad[4];
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    quad[r] = float4{0, 0, 0, 0};
    if (i + 8 * r < static_cast<int>(a.vectors))
      quad[r] = load_quad<kAligned>(vector_of(a.x, a.e, b, i + 8 * r, a.width), k, static_cast<int>(a.width));
  }
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    low[r] = pack_bf16(quad[r].x, quad[r].y);
    high[r] = pack_bf16(quad[r].z, quad[r].w);
  }
}

// kSmall: F <= 32, one block of pairs; pairs go through shared memory (per warp: all of an example). Else one warp for each
// block on or below the diagonal, which writes its pairs itself.
template <bool kSmall, bool kAligned>
__global__ void __launch_bounds__(kDotThreads) dot_forward_bf16(InteractionDotForward a, int64_t batch) {
  DLRM_DYNAMIC_SHARED(float, shared);
  const int vectors = static_cast<int>(a.vectors), width = static_cast<int>(a.width), itself = a.itself;
  const int side = (vectors + kBlock - 1) / kBlock, tiles = kSmall ? 1 : side * (side + 1) / 2;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kDotWarps + warp;
  const int64_t b = kSmall ? item : item / tiles;
  if (b >= batch) return;
  const Pair block = kSmall ? Pair{0, 0} : pair_at(static_cast<int>(item % tiles), 1);
  const int i0 = block.i * kBlock, j0 = block.j * kBlock;
  const bool diagonal = kSmall || block.i == block.j;

  float acc[2][4][4] = {};
#pragma unroll 2
  for (int k = 0; k < width; k += 16) {
    uint32_t low[4], high[4], low_j[4], high_j[4];
    load_rows<kAligned>(low, high, a, b, i0 + g, k + 4 * t);
    if (!kSmall && !diagonal) load_rows<kAligned>(low_j, high_j, a, b, j0 + g, k + 4 * t);
#pragma unroll
    for (int m = 0; m < 2; ++m) {
      const uint32_t rows[4] = {low[2 * m], low[2 * m + 1], high[2 * m], high[2 * m + 1]};
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        if (m == 0 && n >= 2 && diagonal) continue;  // above it
        const uint32_t cols[2] = {diagonal ? low[n] : low_j[n], diagonal ? high[n] : high_j[n]};
        mma_bf16_16816(acc[m][n], rows, cols);
      }
    }
  }

  const int dense = a.x.data ? width : 0, pairs = before_row(vectors, itself);
  float* const to = kSmall ? shared + warp * pairs : row(a.out, b) + dense;
#pragma unroll
  for (int at = 0; at < 32; ++at) {
    const int m = at / 16, n = at / 4 % 4, d = at % 4;
    const int i = i0 + 16 * m + 8 * (d / 2) + g, j = j0 + 8 * n + 2 * t + d % 2;
    if (i < vectors && j < i + itself) to[before_row(i, itself) + j] = acc[m][n][d];
  }
  float* const out = row(a.out, b);
  if (a.x.data && i0 == 0)
    for (int k = lane; k < width; k += kWarp) out[k] = row(a.x, b)[k];
  if (!kSmall) return;
  __syncwarp();
  for (int p = lane; p < pairs; p += kWarp) out[dense + p] = to[p];
}

// dP_ij as it is multiplied with z_j; `pairs` is the triangle.
__device__ __forceinline__ float weight_of(const float* pairs, int i, int j, int vectors, int itself) {
  if (i >= vectors || j >= vectors || (i == j && !itself)) return 0;
  const float d = pairs[i > j ? before_row(i, itself) + j : before_row(j, itself) + i];
  return i == j ? 2 * d : d;
}

// Fragments of rows i0 to i0 + 31, columns j0 to j0 + 31 of dP: [16 rows][16 columns].
__device__ __forceinline__ void load_weights(uint32_t (&w)[2][2][4], const float* pairs, int i0, int j0, int vectors, int itself) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int at = 0; at < 16; ++at) {
    const int m = at / 8, s = at / 4 % 2, r = at % 4;
    const int i = i0 + 16 * m + 8 * (r % 2) + g, j = j0 + 16 * s + 8 * (r / 2) + 2 * t;
    w[m][s][r] = pack_bf16(weight_of(pairs, i, j, vectors, itself), weight_of(pairs, i, j + 1, vectors, itself));
  }
}

// acc += w z for 32 columns of z: quads of four rows (2t, 2t+1, 2t+8, 2t+9) at a time make four fragments of 8 columns.
template <bool kAligned>
__device__ __forceinline__ void add_rows(float (&acc)[2][4][4], const uint32_t (&w)[2][2][4], const InteractionDotBackward& a, int64_t b,
                                         int j0, int k) {
  const int t = threadIdx.x % 4;
  float4 quad[2][4];
#pragma unroll
  for (int at = 0; at < 8; ++at) {
    const int s = at / 4, r = at % 4, j = j0 + 16 * s + 2 * t + r % 2 + 8 * (r / 2);
    quad[s][r] = float4{0, 0, 0, 0};
    if (j < static_cast<int>(a.vectors))
      quad[s][r] = load_quad<kAligned>(vector_of(a.x, a.e, b, j, a.width), k, static_cast<int>(a.width));
  }
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    const float4(&q)[4] = quad[s];
    const uint32_t z[4][2] = {{pack_bf16(q[0].x, q[1].x), pack_bf16(q[2].x, q[3].x)},
                              {pack_bf16(q[0].y, q[1].y), pack_bf16(q[2].y, q[3].y)},
                              {pack_bf16(q[0].z, q[1].z), pack_bf16(q[2].z, q[3].z)},
                              {pack_bf16(q[0].w, q[1].w), pack_bf16(q[2].w, q[3].w)}};
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n) mma_bf16_16816(acc[m][n], w[m][s], z[n]);
  }
}

// One warp for each example and 32 rows of dz. kSmall: F <= 32, dP passes through shared memory (per warp: all of an example).
template <bool kSmall, bool kAligned>
__global__ void __launch_bounds__(kDotThreads, 2) dot_backward_bf16(InteractionDotBackward a, int64_t batch) {
  DLRM_DYNAMIC_SHARED(float, shared);
  const int vectors = static_cast<int>(a.vectors), width = static_cast<int>(a.width), itself = a.itself;
  const int side = kSmall ? 1 : (vectors + kBlock - 1) / kBlock;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kDotWarps + warp;
  const int64_t b = item / side;
  if (b >= batch) return;
  const int i0 = static_cast<int>(item % side) * kBlock;
  const float* pairs = row(a.dout, b) + (a.x.data ? width : 0);

  uint32_t w[2][2][4];
  if (kSmall) {
    const int count = before_row(vectors, itself);
    float* const mine = shared + warp * count;
    for (int p = lane; p < count; p += kWarp) mine[p] = pairs[p];
    __syncwarp();
    load_weights(w, mine, 0, 0, vectors, itself);
  }
  const int read = 4 * (g / 2 + g % 2 * 4);  // lanes 0, 8, ... read what lanes 0, 1, ... write
  for (int k0 = 0; k0 < width; k0 += kBlock) {
    float acc[2][4][4] = {};
    for (int j0 = 0; j0 < vectors; j0 += kBlock) {
      if (!kSmall) load_weights(w, pairs, i0, j0, vectors, itself);
      add_rows<kAligned>(acc, w, a, b, j0, k0 + read);
    }
#pragma unroll
    for (int at = 0; at < 4; ++at) {
      const int m = at / 2, d = at % 2 * 2, i = i0 + 16 * m + 8 * (at % 2) + g;
      float* const to = i < vectors ? gradient_of(a, b, i) : nullptr;
      if (!to) continue;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int k = k0 + 16 * h + 4 * t;
        float4 dz{acc[m][0][d + h], acc[m][1][d + h], acc[m][2][d + h], acc[m][3][d + h]};
        if (i == 0 && a.x.data) {
          const float4 own = load_quad<false>(row(a.dout, b), k, width);
          dz = float4{dz.x + own.x, dz.y + own.y, dz.z + own.z, dz.w + own.w};
        }
        store_quad<kAligned>(to, k, width, dz);
      }
    }
  }
}

}  // namespace dlrm::cuda
