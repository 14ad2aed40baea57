// float32 on the ordinary units. A block takes several examples: their vectors go to shared memory once, 16 bytes at a time,
// and each thread computes 7 x 7 sums (forward) or 7 x 8 (backward) from there in registers. 27 vectors are 4 times 7 less
// one; 7 is odd, so that the rows which 8 lanes read at once lie in different banks.
//
// Per example of F = 27, E = 128 (E = 16), against 15 bytes and 128 multiply-adds per clock and multiprocessor of an H100:
//   forward   15.7 KB (3.2 KB)  1060 (215) clocks of memory;  10 tiles x 49 x E = 490 (61) of arithmetic
//   backward  29.6 KB (4.9 KB)  1990 (330) clocks of memory;  28 x 27 x E      = 756 (95) of arithmetic
// Reading shared memory takes about as long as the arithmetic. Both hide behind device memory: 3.35 TB/s are the limit.
// Registers (nvcc 13.0, sm_80, sm_90, sm_100; no spills): forward 128, backward up to 127, so two blocks of 256 threads each.
#pragma once
#include "ops/interaction_dot/cuda_common.cuh"

namespace dlrm::cuda {

constexpr int kTile = 7;

struct DotForwardPlan {
  int examples;        // of a block
  int tiles;           // of the triangle: 7 x 7 pairs each
  int tiles_of_block;  // fewer than `tiles`: blockIdx.y says which
  int example_floats;  // of shared memory, a multiple of 4 but no multiple of 32
  int staged;          // the block writes its pairs through shared memory, all of them together
};

// kChunk columns of the vectors of examples `first` and on to shared memory; columns behind E become 0.
template <int kChunk, bool kAligned>
__device__ __forceinline__ void fetch_vectors(const InteractionDotForward& a, float* shared, int64_t first, int count, int chunk,
                                              const DotForwardPlan& plan) {
  constexpr int kLanes = kChunk / 4;  // of a vector
  const int lane = threadIdx.x % kWarp, width = static_cast<int>(a.width);
  const int quad = lane % kLanes * 4, k = chunk * kChunk + quad;
  for (int n = threadIdx.x / kWarp; n < count; n += kDotWarps) {
    float* const to = shared + n * plan.example_floats + quad;
    for (int i = lane / kLanes; i < static_cast<int>(a.vectors); i += kWarp / kLanes) {
      const float* const from = vector_of(a.x, a.e, first + n, i, a.width);
      if (kAligned)
        cp_async16(to + i * (kChunk + 4), from + (k < width ? k : 0), k < width ? 16 : 0);
      else
        *reinterpret_cast<float4*>(to + i * (kChunk + 4)) = load_quad<false>(from, k, width);
    }
  }
}

// acc += products of 16 columns.
template <int kRow>
__device__ __forceinline__ void add_tile(float (&acc)[kTile][kTile], const float* rows, const float* cols) {
#pragma unroll 1
  for (int k = 0; k < 16; k += 4) {
    float4 col[kTile];
#pragma unroll
    for (int c = 0; c < kTile; ++c) col[c] = *reinterpret_cast<const float4*>(cols + c * kRow + k);
#pragma unroll
    for (int r = 0; r < kTile; ++r) {
      const float4 z = *reinterpret_cast<const float4*>(rows + r * kRow + k);
#pragma unroll
      for (int c = 0; c < kTile; ++c) acc[r][c] = fmaf(z.x, col[c].x, acc[r][c]);
#pragma unroll
      for (int c = 0; c < kTile; ++c) acc[r][c] = fmaf(z.y, col[c].y, acc[r][c]);
#pragma unroll
      for (int c = 0; c < kTile; ++c) acc[r][c] = fmaf(z.z, col[c].z, acc[r][c]);
#pragma unroll
      for (int c = 0; c < kTile; ++c) acc[r][c] = fmaf(z.w, col[c].w, acc[r][c]);
    }
  }
}

// The tile's pairs to the triangle `pairs`.
template <bool kAdd>
__device__ __forceinline__ void put_tile(const float (&acc)[kTile][kTile], float* pairs, int i0, int j0, int vectors, int itself) {
#pragma unroll
  for (int r = 0; r < kTile; ++r) {
    const int i = i0 + r;
    if (i >= vectors) break;
    float* const to = pairs + before_row(i, itself) + j0;
    const int wanted = i + itself - j0;
#pragma unroll
    for (int c = 0; c < kTile; ++c)
      if (c < wanted) to[c] = kAdd ? to[c] + acc[r][c] : acc[r][c];
  }
}

// Chunks of kChunk columns, the next one on its way meanwhile. kChunk = 32: each tile is two threads', 16 columns of a chunk
// each; their sums meet in shared memory at the end.
template <int kChunk, bool kAligned>
__global__ void __launch_bounds__(kDotThreads, 2) dot_forward_f32(InteractionDotForward a, int64_t batch, DotForwardPlan plan) {
  DLRM_DYNAMIC_SHARED(float, shared);
  constexpr int kRow = kChunk + 4, kParts = kChunk / 16;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * plan.examples;
  const int count = static_cast<int>(batch - first < plan.examples ? batch - first : plan.examples);
  const int vectors = static_cast<int>(a.vectors), width = static_cast<int>(a.width), itself = a.itself;
  const int chunks = (width + kChunk - 1) / kChunk;

  const int threads_of_part = plan.examples * plan.tiles_of_block;
  const int part = threadIdx.x / threads_of_part, item = threadIdx.x % threads_of_part;
  const int example = item / plan.tiles_of_block;
  const int tile = item % plan.tiles_of_block + blockIdx.y * plan.tiles_of_block;
  const bool works = part < kParts && example < count && tile < plan.tiles;
  const Pair at = pair_at(works ? tile : 0, 1);

  const bool copies = a.x.data && blockIdx.y == 0;
  float acc[kTile][kTile] = {};
  fetch_vectors<kChunk, kAligned>(a, shared, first, count, 0, plan);
  cp_async_commit();
  for (int chunk = 0; chunk < chunks; ++chunk) {
    float* const here = shared + chunk % 2 * plan.examples * plan.example_floats;
    if (chunk + 1 < chunks)
      fetch_vectors<kChunk, kAligned>(a, shared + (chunk + 1) % 2 * plan.examples * plan.example_floats, first, count, chunk + 1, plan);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();
    const int columns = width - chunk * kChunk < kChunk ? width - chunk * kChunk : kChunk;
    for (int i = threadIdx.x; copies && i < count * kChunk; i += kDotThreads)
      if (i % kChunk < columns)
        row(a.out, first + i / kChunk)[chunk * kChunk + i % kChunk] = here[i / kChunk * plan.example_floats + i % kChunk];
    if (works) {
      const float* const z = here + example * plan.example_floats + part * 16;
      add_tile<kRow>(acc, z + at.i * kTile * kRow, z + at.j * kTile * kRow);
    }
    __syncthreads();
  }

  const int dense = a.x.data ? width : 0;
  if (!plan.staged) {
    if (works) put_tile<false>(acc, row(a.out, first + example) + dense, at.i * kTile, at.j * kTile, vectors, itself);
    return;
  }
  const int pairs = before_row(vectors, itself);
  float* const mine = shared + example * pairs;
  if (works && part == kParts - 1) put_tile<false>(acc, mine, at.i * kTile, at.j * kTile, vectors, itself);
  __syncthreads();
  if (kParts > 1) {
    if (works && part == 0) put_tile<true>(acc, mine, at.i * kTile, at.j * kTile, vectors, itself);
    __syncthreads();
  }
  for (int n = threadIdx.x / kWarp; n < count; n += kDotWarps) {
    float* const to = row(a.out, first + n) + dense;
    for (int p = threadIdx.x % kWarp; p < pairs; p += kWarp) to[p] = shared[n * pairs + p];
  }
}

struct DotBackwardPlan {
  int examples;     // of a block
  int chunk;        // columns at a time: 4 kQuads times a power of two
  int row_blocks;   // of 7 rows of dz
  int weights_row;  // floats of a row of dP as a square matrix: 8 for every block of rows, and 4 against conflicts of banks
};

// dP as symmetric matrices in shared memory: row j has dP_ij at 8 (i / 7) + i % 7, for 16-byte reads by blocks of rows.
__device__ __forceinline__ void fetch_weights(const InteractionDotBackward& a, float* weights, int64_t first, int count,
                                              const DotBackwardPlan& plan) {
  const int vectors = static_cast<int>(a.vectors), itself = a.itself, floats = vectors * plan.weights_row;
  const auto place = [](int i) { return i / kTile * 8 + i % kTile; };
  const int dense = a.x.data ? static_cast<int>(a.width) : 0, pairs = before_row(vectors, itself);
  for (int p = threadIdx.x; p < pairs; p += kDotThreads) {
    const Pair at = pair_at(p, itself);
    const int here = at.j * plan.weights_row + place(at.i), there = at.i * plan.weights_row + place(at.j);
#pragma unroll 4
    for (int n = 0; n < count; ++n) {
      const float d = row(a.dout, first + n)[dense + p];
      weights[n * floats + here] = at.i == at.j ? 2 * d : d;
      if (at.i != at.j) weights[n * floats + there] = d;
    }
  }
  for (int p = threadIdx.x; !itself && p < count * vectors; p += kDotThreads)
    weights[p / vectors * floats + p % vectors * plan.weights_row + place(p % vectors)] = 0;
}

template <bool kAligned>
__device__ __forceinline__ void fetch_columns(const InteractionDotBackward& a, float* shared, int64_t first, int count, int k0,
                                              const DotBackwardPlan& plan) {
  const int vectors = static_cast<int>(a.vectors), width = static_cast<int>(a.width), lanes = plan.chunk / 4;
  const int lane = threadIdx.x % lanes, k = k0 + 4 * lane;
  for (int n = 0; n < count; ++n)
    for (int i = threadIdx.x / lanes; i < vectors; i += kDotThreads / lanes) {
      float* const to = shared + (n * vectors + i) * plan.chunk + 4 * lane;
      const float* const from = vector_of(a.x, a.e, first + n, i, a.width);
      if (kAligned)
        cp_async16(to, from + (k < width ? k : 0), k < width ? 16 : 0);
      else
        *reinterpret_cast<float4*>(to) = load_quad<false>(from, k, width);
    }
}

__device__ __forceinline__ void add_scaled(float4& acc, float w, const float4& z) {
  acc.x = fmaf(w, z.x, acc.x);
  acc.y = fmaf(w, z.y, acc.y);
  acc.z = fmaf(w, z.z, acc.z);
  acc.w = fmaf(w, z.w, acc.w);
}

// A thread: 7 rows of dz, kQuads times 4 columns, as far apart as keeps the lanes' accesses side by side.
template <int kQuads, bool kAligned>
__global__ void __launch_bounds__(kDotThreads, 2) dot_backward_f32(InteractionDotBackward a, int64_t batch, DotBackwardPlan plan) {
  DLRM_DYNAMIC_SHARED(float, shared);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * plan.examples;
  const int count = static_cast<int>(batch - first < plan.examples ? batch - first : plan.examples);
  const int vectors = static_cast<int>(a.vectors), width = static_cast<int>(a.width);
  float* const weights = shared + plan.examples * vectors * plan.chunk;
  const int lanes = plan.chunk / (4 * kQuads), items = count * plan.row_blocks * lanes;

  for (int k0 = 0; k0 < width; k0 += plan.chunk) {
    if (k0) __syncthreads();
    fetch_columns<kAligned>(a, shared, first, count, k0, plan);
    cp_async_commit();
    if (!k0) fetch_weights(a, weights, first, count, plan);
    cp_async_wait<0>();
    __syncthreads();
    for (int item = threadIdx.x; item < items; item += kDotThreads) {
      const int lane = item % lanes, block = item / lanes % plan.row_blocks, n = item / lanes / plan.row_blocks;
      const float* z = shared + n * vectors * plan.chunk + 4 * lane;
      const float* w = weights + n * vectors * plan.weights_row + 8 * block;
      float4 acc[kTile][kQuads] = {};
#pragma unroll 3
      for (int j = 0; j < vectors; ++j, z += plan.chunk, w += plan.weights_row) {
        float4 zj[kQuads];
#pragma unroll
        for (int q = 0; q < kQuads; ++q) zj[q] = *reinterpret_cast<const float4*>(z + q * 4 * lanes);
        const float4 w0 = *reinterpret_cast<const float4*>(w), w1 = *reinterpret_cast<const float4*>(w + 4);
#pragma unroll
        for (int q = 0; q < kQuads; ++q) {
          add_scaled(acc[0][q], w0.x, zj[q]);
          add_scaled(acc[1][q], w0.y, zj[q]);
          add_scaled(acc[2][q], w0.z, zj[q]);
          add_scaled(acc[3][q], w0.w, zj[q]);
          add_scaled(acc[4][q], w1.x, zj[q]);
          add_scaled(acc[5][q], w1.y, zj[q]);
          add_scaled(acc[6][q], w1.z, zj[q]);
        }
      }
#pragma unroll
      for (int r = 0; r < kTile; ++r) {
        const int i = block * kTile + r;
        float* const to = i < vectors ? gradient_of(a, first + n, i) : nullptr;
        if (!to) continue;
#pragma unroll
        for (int q = 0; q < kQuads; ++q) {
          const int k = k0 + 4 * (lane + q * lanes);
          if (r == 0 && i == 0 && a.x.data) add_scaled(acc[r][q], 1, load_quad<false>(row(a.dout, first + n), k, width));
          store_quad<kAligned>(to, k, width, acc[r][q]);
        }
      }
    }
  }
}

}  // namespace dlrm::cuda
