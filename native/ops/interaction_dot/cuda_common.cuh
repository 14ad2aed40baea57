// What the device kernels of interaction_dot share.
#pragma once
#include "cuda/device.cuh"
#include "ops/interaction_dot/interaction_dot.h"

namespace dlrm::cuda {

constexpr int kDotThreads = 256;
constexpr int kDotWarps = kDotThreads / kWarp;
constexpr int64_t kDotShared = 99 << 10;  // bytes of a block: two of them fit a multiprocessor of an H100, one every chip since sm_80

// Pairs in the rows of the triangle before row i.
__host__ __device__ __forceinline__ int before_row(int i, int itself) { return itself ? i * (i + 1) / 2 : i * (i - 1) / 2; }

struct Pair {
  int i, j;
};

// The reverse: pair p of the triangle. The root is off by one at most.
__device__ __forceinline__ Pair pair_at(int p, int itself) {
  int i = static_cast<int>((sqrtf(8.0f * static_cast<float>(p) + 1.0f) + (itself ? -1.0f : 1.0f)) * 0.5f);
  while (before_row(i, itself) > p) --i;
  while (before_row(i + 1, itself) <= p) ++i;
  return {i, p - before_row(i, itself)};
}

// z_i of example b.
__device__ __forceinline__ const float* vector_of(const View& x, const View& e, int64_t b, int i, int64_t width) {
  if (!x.data) return row(e, b) + i * width;
  return i ? row(e, b) + (i - 1) * width : row(x, b);
}

// Where dz_i of example b goes; null: not wanted.
__device__ __forceinline__ float* gradient_of(const InteractionDotBackward& a, int64_t b, int i) {
  if (a.x.data && i == 0) return a.dx.data ? row(a.dx, b) : nullptr;
  return a.de.data ? row(a.de, b) + (i - (a.x.data ? 1 : 0)) * a.width : nullptr;
}

// Numbers k to k + 3 of a vector of `width`, those behind its end 0. kAligned: 16-byte accesses, width a multiple of 4.
template <bool kAligned>
__device__ __forceinline__ float4 load_quad(const float* from, int k, int width) {
  if (kAligned) return k < width ? *reinterpret_cast<const float4*>(from + k) : float4{0, 0, 0, 0};
  float4 quad{0, 0, 0, 0};
  if (k < width) quad.x = from[k];
  if (k + 1 < width) quad.y = from[k + 1];
  if (k + 2 < width) quad.z = from[k + 2];
  if (k + 3 < width) quad.w = from[k + 3];
  return quad;
}

template <bool kAligned>
__device__ __forceinline__ void store_quad(float* to, int k, int width, float4 quad) {
  if (kAligned) {
    if (k < width) *reinterpret_cast<float4*>(to + k) = quad;
    return;
  }
  if (k < width) to[k] = quad.x;
  if (k + 1 < width) to[k + 1] = quad.y;
  if (k + 2 < width) to[k + 2] = quad.z;
  if (k + 3 < width) to[k + 3] = quad.w;
}

inline bool aligned16(const View& view) {
  return !view.data || (reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.stride % 4 == 0);
}

// Examples of a block: no more than `most`, and few enough that a small batch reaches every multiprocessor.
inline int examples_of_block(int64_t batch, int64_t most) {
  constexpr int64_t kBlocks = 264;  // twice those of an H100
  const int64_t share = blocks(batch, kBlocks);
  return static_cast<int>(share < most ? (share < 1 ? 1 : share) : (most < 1 ? 1 : most));
}

}  // namespace dlrm::cuda
