// What becomes of the sums of a product: bias, activation or its slope, and the form they are stored in.
#pragma once
#include "cuda/device.cuh"
#include "ops/mlp/cuda.h"

namespace dlrm::cuda::mlp {

__device__ __forceinline__ float activated(Activation activation, float z) {
  switch (activation) {
    case Activation::relu: return z < 0 ? 0 : z;
    case Activation::sigmoid: return 1 / (1 + expf(-z));
    case Activation::tanh: return tanhf(z);
    default: return z;
  }
}

__device__ __forceinline__ float slope(Activation activation, float y) {
  switch (activation) {
    case Activation::relu: return y > 0 ? 1.0f : 0.0f;
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    default: return 1;
  }
}

// Rounding by an addition to the bits must not carry a NaN into a zero, as it would the GPU's own, all ones.
__device__ __forceinline__ float tame(float x) { return x == x ? x : __uint_as_float(0x7fc00000); }

// V neighbours of a packed form: a store, a load of 4 V or 2 V bytes.
template <int V>
__device__ __forceinline__ void store_packed(float* to, const float (&x)[V]) {
  if constexpr (V == 1)
    *to = x[0];
  else
#pragma unroll
    for (int i = 0; i < V; i += 4) *reinterpret_cast<float4*>(to + i) = make_float4(x[i], x[i + 1], x[i + 2], x[i + 3]);
}
template <int V>
__device__ __forceinline__ void store_packed(uint16_t* to, const float (&x)[V]) {
  if constexpr (V == 1)
    *to = to_bf16(x[0]);
  else if constexpr (V == 4)
    *reinterpret_cast<uint2*>(to) = make_uint2(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]));
  else
    *reinterpret_cast<uint4*>(to) = make_uint4(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]), pack_bf16(x[4], x[5]), pack_bf16(x[6], x[7]));
}
// CONSTANT: of memory that nothing writes meanwhile, so that the compiler may move the load before other stores.
template <bool CONSTANT, class W>
__device__ __forceinline__ W read(const W* from) {
  if constexpr (CONSTANT) return __ldg(from);
  return *from;
}
template <bool CONSTANT = false, int V>
__device__ __forceinline__ void load_packed(const float* from, float (&x)[V]) {
  if constexpr (V == 1)
    x[0] = read<CONSTANT>(from);
  else
#pragma unroll
    for (int i = 0; i < V; i += 4) {
      const float4 four = read<CONSTANT>(reinterpret_cast<const float4*>(from + i));
      x[i] = four.x;
      x[i + 1] = four.y;
      x[i + 2] = four.z;
      x[i + 3] = four.w;
    }
}
__device__ __forceinline__ void load_two(uint32_t both, float& low, float& high) {
  low = __uint_as_float(both << 16);
  high = __uint_as_float(both & 0xffff0000);
}
template <bool CONSTANT = false, int V>
__device__ __forceinline__ void load_packed(const uint16_t* from, float (&x)[V]) {
  if constexpr (V == 1) {
    x[0] = from_bf16(read<CONSTANT>(from));
  } else if constexpr (V == 4) {
    const uint2 four = read<CONSTANT>(reinterpret_cast<const uint2*>(from));
    load_two(four.x, x[0], x[1]);
    load_two(four.y, x[2], x[3]);
  } else {
    const uint4 eight = read<CONSTANT>(reinterpret_cast<const uint4*>(from));
    load_two(eight.x, x[0], x[1]);
    load_two(eight.y, x[2], x[3]);
    load_two(eight.z, x[4], x[5]);
    load_two(eight.w, x[6], x[7]);
  }
}

// Rounded up.
__device__ __forceinline__ int64_t to_fours(int64_t n) { return (n + 3) / 4 * 4; }

// Elements of `out` that one store may take: 4 or 1.
__device__ __forceinline__ bool by_fours(const View& out) {
  return (reinterpret_cast<uintptr_t>(out.data) % 16 | static_cast<uintptr_t>(out.stride | out.cols) % 4) == 0;
}

// V sums, in place, from column `col` of `row` on; the columns behind the result's own become zero.
template <class T, int V>
__device__ __forceinline__ void finish(const MlpCudaProduct& p, float (&z)[V], int64_t row, int64_t col) {
  float factor[V];
  if (p.gate.data) load_packed<true>(static_cast<const T*>(p.gate.data) + row * p.gate.stride + col, factor);
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const bool inside = col + i < p.cols;
    if (p.gate.data)
      z[i] *= slope(p.activation, factor[i]);
    else
      z[i] = activated(p.activation, z[i] + (p.bias && inside ? __ldg(p.bias + col + i) : 0));
    if (!inside) z[i] = 0;
  }
}

template <class T, int V>
__device__ __forceinline__ void finish_packed(const MlpCudaProduct& p, float (&z)[V], int64_t row, int64_t col) {
  if (row >= p.rows || col >= p.packed.stride) return;
  finish<T>(p, z, row, col);
#pragma unroll
  for (int i = 0; i < V; ++i) z[i] = tame(z[i]);
  store_packed(static_cast<T*>(p.packed.data) + row * p.packed.stride + col, z);
}

// V is 1 or the view is one to write by fours.
template <class T, int V>
__device__ __forceinline__ void finish_view(const MlpCudaProduct& p, float (&z)[V], int64_t row, int64_t col) {
  if (row >= p.rows || col >= p.cols) return;
  finish<T>(p, z, row, col);
  store_packed(static_cast<float*>(p.out.data) + row * p.out.stride + col, z);
}

}  // namespace dlrm::cuda::mlp
