// The product kernel of cuda.h: a block computes one tile of the result for one part of the depth. Factors come through
// cp.async into STAGES buffers; a warp holds WARP_ROWS x WARP_COLS sums and the fragments of two steps. Sums leave through
// shared memory, so that bias, slope and stores go along rows in 16 bytes.
// ptxas 13.0 for sm_80, sm_90 and sm_100, nothing spilled: registers, shared memory, blocks on a multiprocessor of H100:
//   bf16     256 x 128   254-255   144 KB   1 of 256 threads
//            128 x 128   246-255    96 KB   2 of 128 (A100: 1)
//            64 x 64     124-152    64 KB   3 of 128 (A100: 2)
//   float32  128 x 128   206-254   128 KB   1 of 256
//            64 x 64     136-166    64 KB   3 of 128 (A100: 2)
// A block of 256 x 128 is alone, so nothing hides its first fetch and its stores, about 3 of 19 us for 1024 deep: of mma.sync's
// 620 TFLOP/s some 500 are left. More takes wgmma, whose accumulators and operands fetch themselves: a kernel of its own
// behind MlpCuda::product, as cuBLASLt would be.
#pragma once
#include "ops/mlp/finish.cuh"
#include "ops/mlp/fragments.cuh"

namespace dlrm::cuda::mlp {

template <class Factor, MlpCudaProduct::Pass PASS, int ROWS, int COLS, int WARP_ROWS, int WARP_COLS, int STAGES, int BLOCKS>
struct Tile {
  using T = Factor;
  static constexpr int rows = ROWS, cols = COLS, warp_rows = WARP_ROWS, warp_cols = WARP_COLS, stages = STAGES;
  static constexpr int blocks = BLOCKS;  // at once on a multiprocessor, as far as registers go
  static constexpr int warps_across = COLS / WARP_COLS, threads = ROWS / WARP_ROWS * warps_across * kWarp;
  static constexpr int m = WARP_ROWS / 16, n = WARP_COLS / 8;  // mma
  // bf16: fragments are loaded a step before their mma. A step of float32 is three times as long, so that the other warps hide
  // the loads; unrolled, the compiler would hold the halves of many steps' factors, and spill.
  static constexpr bool ahead = sizeof(T) == 2;
  static constexpr int unroll = ahead ? kSteps : 1;
  static constexpr bool a_deep = PASS != MlpCudaProduct::weight_gradient, b_deep = PASS == MlpCudaProduct::forward;
  static constexpr bool sums_rows = PASS == MlpCudaProduct::weight_gradient;
  using A = TileShape<T, a_deep, ROWS>;
  using B = TileShape<T, b_deep, COLS>;
  static constexpr int stage_bytes = A::bytes + B::bytes;
  static constexpr int pitch = COLS + 8;  // of sums in shared memory: no bank is hit twice
  static constexpr int shared_bytes = STAGES * stage_bytes;
  static_assert(WARP_ROWS % 32 == 0 && WARP_COLS % 32 == 0, "word() relies on it");
  static_assert(rows * pitch * 4 <= shared_bytes, "sums fit");
};

// Where this block works.
struct Place {
  int64_t row, col, begin, end;  // depth
  int part;
};

template <class C>
__device__ __forceinline__ Place place(const MlpCudaProduct& p) {
  const int64_t across = (p.cols + C::cols - 1) / C::cols, tile = blockIdx.x, begin = blockIdx.y * p.plan.split_depth;
  const int64_t end = p.plan.splits > 1 && begin + p.plan.split_depth < p.depth ? begin + p.plan.split_depth : p.depth;
  return {tile / across * C::rows, tile % across * C::cols, begin, end, static_cast<int>(blockIdx.y)};
}

__device__ __forceinline__ int at_most(int64_t count, int most) { return count < most ? static_cast<int>(count) : most; }

// A tile of one factor: `across` its first row or column in the result, of `count`; `depth` where the stage begins.
template <class C, bool DEEP, class Shape>
__device__ __forceinline__ void fetch(char* tile, const MlpPacked& from, int64_t across, int64_t count, int64_t depth, int64_t end) {
  using T = typename C::T;
  constexpr int kElements = Depth<T>::chunk;
  const int64_t row = DEEP ? across : depth, col = DEEP ? depth : across;
  const int rows = at_most((DEEP ? count : end) - row, Shape::rows);
  const int chunks = at_most(((DEEP ? end : count) - col + kElements - 1) / kElements, Shape::chunks);
  fetch_tile<T, DEEP, Shape, C::threads>(tile, static_cast<const T*>(from.data) + row * from.stride + col, from.stride, rows, chunks);
}

template <class C>
struct Fragments {
  uint32_t a[C::m][4], b[C::n][2];

  __device__ __forceinline__ void load(const char* stage, int warp_row, int warp_col, int step, int lane) {
#pragma unroll
    for (int m = 0; m < C::m; ++m) load_a<typename C::T, C::a_deep, typename C::A>(a[m], stage, warp_row, 16 * m, step, lane);
#pragma unroll
    for (int n = 0; n < C::n; n += 2)
      load_b<typename C::T, C::b_deep, typename C::B>(b[n], b[n + 1], stage + C::A::bytes, warp_col, 8 * n, step, lane);
  }
};

// The block's sums, V columns a thread at a time; a thread stays in its columns. Unrolled, so that four loads of the gate are
// under way.
template <class C, int V, class F>
__device__ __forceinline__ void sweep(const Place& at, int64_t rows, const float* sums, F&& store) {
  constexpr int kAcross = C::cols / V, kRowsAtOnce = C::threads / kAcross;
  static_assert(C::threads % kAcross == 0 && C::rows % kRowsAtOnce == 0, "a thread stays in its columns");
  const int col = static_cast<int>(threadIdx.x) % kAcross * V, end = at_most(rows - at.row, C::rows);
#pragma unroll 4
  for (int row = static_cast<int>(threadIdx.x) / kAcross; row < end; row += kRowsAtOnce) {
    float z[V];
    load_packed(sums + row * C::pitch + col, z);
    store(z, at.row + row, at.col + col);
  }
}

template <class C>
__device__ __forceinline__ void store_sums(const MlpCudaProduct& p, const Place& at, const float (&sum)[C::m][C::n][4], float* shared) {
  using T = typename C::T;
  constexpr int kPacked = Depth<T>::chunk;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  float* const mine = shared + (warp / C::warps_across * C::warp_rows + lane / 4) * C::pitch + warp % C::warps_across * C::warp_cols + lane % 4 * 2;
#pragma unroll
  for (int m = 0; m < C::m; ++m)
#pragma unroll
    for (int n = 0; n < C::n; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        *reinterpret_cast<float2*>(mine + (16 * m + 8 * half) * C::pitch + 8 * n) = make_float2(sum[m][n][2 * half], sum[m][n][2 * half + 1]);
  __syncthreads();
  if (p.plan.splits > 1) {
    const int64_t stride = mlp_parts_stride(p.cols);
    float* const part = p.parts + at.part * p.rows * stride;
    sweep<C, 4>(at, p.rows, shared, [&](float(&z)[4], int64_t r, int64_t c) {
      if (c < stride) store_packed(part + r * stride + c, z);
    });
  } else if (p.packed.data) {
    sweep<C, kPacked>(at, p.rows, shared, [&](float(&z)[kPacked], int64_t r, int64_t c) { finish_packed<T>(p, z, r, c); });
  } else if (by_fours(p.out)) {
    sweep<C, 4>(at, p.rows, shared, [&](float(&z)[4], int64_t r, int64_t c) { finish_view<T>(p, z, r, c); });
  } else {
    sweep<C, 1>(at, p.rows, shared, [&](float(&z)[1], int64_t r, int64_t c) { finish_view<T>(p, z, r, c); });
  }
}

template <class C>
__global__ void __launch_bounds__(C::threads, C::blocks) mlp_product_kernel(MlpCudaProduct p) {
  using T = typename C::T;
  DLRM_DYNAMIC_SHARED(char, shared);
  const Place at = place<C>(p);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int warp_row = warp / C::warps_across * C::warp_rows, warp_col = warp % C::warps_across * C::warp_cols;
  const int stages = static_cast<int>((at.end - at.begin + Depth<T>::stage - 1) / Depth<T>::stage);

  const auto buffer = [&](int stage) { return shared + stage % C::stages * C::stage_bytes; };
  const auto fetch_stage = [&](int stage) {
    const int64_t depth = at.begin + static_cast<int64_t>(stage) * Depth<T>::stage;
    if (stage < stages) {
      fetch<C, C::a_deep, typename C::A>(buffer(stage), p.a, at.row, p.rows, depth, at.end);
      fetch<C, C::b_deep, typename C::B>(buffer(stage) + C::A::bytes, p.b, at.col, p.cols, depth, at.end);
    }
    cp_async_commit();
  };

  float sum[C::m][C::n][4] = {};
  typename Multiply<T>::RowSums row_sums[C::m] = {};
  const bool sums_rows = C::sums_rows && p.dbias && at.col + warp_col == 0;
  Fragments<C> fragments[1 + C::ahead];
  for (int stage = 0; stage < C::stages - 1; ++stage) fetch_stage(stage);
  cp_async_wait<C::stages - 2>();
  __syncthreads();
  if (C::ahead && stages) fragments[0].load(buffer(0), warp_row, warp_col, 0, lane);
  for (int stage = 0; stage < stages; ++stage) {
#pragma unroll C::unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool last = step + 1 == kSteps;
      Fragments<C>& now = fragments[C::ahead ? step % 2 : 0];
      if (!C::ahead) now.load(buffer(stage), warp_row, warp_col, step, lane);
      if (last) {  // all warps have read this stage, and the next one is there
        cp_async_wait<C::stages - 2>();
        __syncthreads();
      }
      if (C::ahead) fragments[C::ahead ? (step + 1) % 2 : 0].load(buffer(stage + last), warp_row, warp_col, (step + 1) % kSteps, lane);
      if (step == 0) fetch_stage(stage + C::stages - 1);
      Multiply<T>::add(sum, now.a, now.b);
      if (C::sums_rows && sums_rows)
#pragma unroll
        for (int m = 0; m < C::m; ++m) Multiply<T>::sum_rows(row_sums[m], now.a[m]);
    }
  }
  cp_async_wait<0>();
  __syncthreads();
  if (p.out.data || p.packed.data) store_sums<C>(p, at, sum, reinterpret_cast<float*>(shared));
  if (C::sums_rows && sums_rows) {
    float* const to = p.plan.splits > 1 ? p.parts + p.plan.splits * p.rows * mlp_parts_stride(p.cols) + at.part * to_fours(p.rows) : p.dbias;
#pragma unroll
    for (int m = 0; m < C::m; ++m) {
      const float2 both = Multiply<T>::rows_of(row_sums[m]);
      const int64_t row = at.row + warp_row + 16 * m + lane / 4;
      if (lane % 4 == 0 && row < p.rows) to[row] = both.x;
      if (lane % 4 == 0 && row + 8 < p.rows) to[row + 8] = both.y;
    }
  }
}

}  // namespace dlrm::cuda::mlp
