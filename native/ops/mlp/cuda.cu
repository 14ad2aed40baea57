// Kernels of mlp on a GPU beside the product (gemm.cuh): packing, few rows, and the sum of the parts of a cut depth.
#include <type_traits>

#include "ops/mlp/gemm.cuh"

namespace dlrm::cuda::mlp {
namespace {

using Product = MlpCudaProduct;

// A thread makes one chunk of 16 bytes. Reads 4 (8 with `out`) and writes 4 or 2 bytes per element: bound by memory.
template <class T>
__global__ void mlp_pack_kernel(MlpCudaPacking p) {
  constexpr int V = Depth<T>::chunk;
  const MlpCudaPacking::Item& item = p.items[blockIdx.y];
  const int64_t across = item.to.stride / V, chunks = item.from.rows * across;
  const bool fours = by_fours(item.from);
  for (int64_t i = global_thread(); i < chunks; i += global_threads()) {
    const int64_t r = i / across, c = i % across * V;
    const float *from = row(item.from, r) + c, *out = item.out.data ? row(item.out, r) + c : nullptr;
    const int inside = at_most(item.from.cols - c, V);
    float x[V];
    if (fours && inside == V) {
      load_packed(from, x);
    } else {
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] = k < inside ? from[k] : 0;
    }
    if (out)
#pragma unroll
      for (int k = 0; k < V; ++k)
        if (k < inside) x[k] *= slope(item.activation, out[k]);
#pragma unroll
    for (int k = 0; k < V; ++k) x[k] = tame(x[k]);
    store_packed(static_cast<T*>(item.to.data) + r * item.to.stride + c, x);
  }
}

// y of up to ROWS rows, a warp per column: bound by reading W once, 16 bytes a lane, four rows of 512 bytes in flight per
// warp; x comes from the caches.
template <class T, int ROWS>
__global__ void __launch_bounds__(256, 4) mlp_few_rows_kernel(Product p) {
  constexpr int V = Depth<T>::chunk;
  const int64_t col = global_thread() / kWarp;
  const int lane = threadIdx.x % kWarp;
  float sum[ROWS] = {};
  if (col < p.cols) {
    const T *w = static_cast<const T*>(p.b.data) + col * p.b.stride, *x = static_cast<const T*>(p.a.data);
#pragma unroll 4
    for (int64_t d = lane * V; d < p.depth; d += kWarp * V) {
      float weights[V], values[V];
      load_packed(w + d, weights);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (r >= p.rows) break;
        load_packed(x + r * p.a.stride + d, values);
#pragma unroll
        for (int i = 0; i < V; ++i) sum[r] += weights[i] * values[i];
      }
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    float z[1] = {warp_sum(sum[r])};
    if (lane != r) continue;
    if (p.packed.data)
      finish_packed<T>(p, z, r, col);
    else
      finish_view<T>(p, z, r, col);
  }
}

// The sums of all parts, in order, four columns a thread; behind them the sums of rows.
template <class T>
__global__ void mlp_sum_parts_kernel(Product p) {
  const int64_t stride = mlp_parts_stride(p.cols), fours = p.rows * (stride / 4), part = p.rows * stride;
  const int64_t i = global_thread(), rows = to_fours(p.rows);
  float z[4] = {};
  const float* const from = i < fours ? p.parts + 4 * i : p.parts + p.plan.splits * part + 4 * (i - fours);
  if (i >= fours && !(p.dbias && i - fours < rows / 4)) return;
#pragma unroll 4
  for (int s = 0; s < p.plan.splits; ++s) {
    float more[4];
    load_packed(from + s * (i < fours ? part : rows), more);
#pragma unroll
    for (int k = 0; k < 4; ++k) z[k] += more[k];
  }
  if (i >= fours) {
    const int64_t first = 4 * (i - fours);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (first + k < p.rows) p.dbias[first + k] = z[k];
    return;
  }
  const int64_t r = i / (stride / 4), c = i % (stride / 4) * 4;
  if (p.packed.data) {
    finish_packed<T>(p, z, r, c);
  } else if (p.out.data && by_fours(p.out)) {
    finish_view<T>(p, z, r, c);
  } else if (p.out.data) {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      float one[1] = {z[k]};
      finish_view<T>(p, one, r, c + k);
    }
  }
}

template <class C>
void run_tiles(const Product& p, CudaStream stream) {
  const Dim grid(blocks(p.rows, C::rows) * blocks(p.cols, C::cols), p.plan.splits);
  launch(mlp_product_kernel<C>, grid, C::threads, C::shared_bytes, stream, p);
}

template <class T, int ROWS>
void run_few(const Product& p, CudaStream stream) {
  launch(mlp_few_rows_kernel<T, ROWS>, blocks(p.packed.data ? p.packed.stride : p.cols, 256 / kWarp), 256, 0, stream, p);
}

template <class C>
bool fits() {
  return C::shared_bytes <= most_shared_bytes();
}

// A chip with less shared memory takes a smaller tile; parts of the depth are the same for all of them.
// Float32 takes smaller tiles of a warp: both halves of the factors and the sums of a step need registers too. Nothing is
// gained by more columns there, since it reads half as fast as bf16 computes.
template <class T, Product::Pass PASS>
void run_pass(const Product& p, CudaStream stream) {
  constexpr bool kBf16 = sizeof(T) == 2;
  using Large = Tile<T, PASS, 256, 128, 64, 64, 3, 1>;
  using Middle = std::conditional_t<kBf16, Tile<T, PASS, 128, 128, 64, 64, 3, 2>, Tile<T, PASS, 128, 128, 64, 32, 4, 1>>;
  switch (p.plan.tile) {
    case MlpTile::few:
      if constexpr (PASS == Product::forward) {
        if (p.rows == 1) return run_few<T, 1>(p, stream);
        if (p.rows == 2) return run_few<T, 2>(p, stream);
        return p.rows <= 4 ? run_few<T, 4>(p, stream) : run_few<T, kFewRows>(p, stream);
      }
      return;
    case MlpTile::t256x128:
      if constexpr (kBf16)
        if (fits<Large>()) return run_tiles<Large>(p, stream);
      [[fallthrough]];
    case MlpTile::t128x128:
      if (fits<Middle>()) return run_tiles<Middle>(p, stream);
      [[fallthrough]];
    default: run_tiles<Tile<T, PASS, 64, 64, 32, 32, 4, 3>>(p, stream);
  }
}

template <class T>
void run_product(const Product& p, CudaStream stream) {
  if (p.pass == Product::forward) run_pass<T, Product::forward>(p, stream);
  if (p.pass == Product::input_gradient) run_pass<T, Product::input_gradient>(p, stream);
  if (p.pass == Product::weight_gradient) run_pass<T, Product::weight_gradient>(p, stream);
  if (p.plan.splits < 2) return;
  const int64_t fours = p.rows * (mlp_parts_stride(p.cols) / 4) + (p.rows + 3) / 4;
  launch(mlp_sum_parts_kernel<T>, blocks(fours, 256), 256, 0, stream, p);
}

void product(const Product& p, CudaStream stream) {
  p.bf16 ? run_product<uint16_t>(p, stream) : run_product<float>(p, stream);
}

void pack(const MlpCudaPacking& p, CudaStream stream) {
  constexpr int64_t kThreads = 256, kMostBlocks = 132 * 16;
  int64_t chunks = 0;
  for (int32_t i = 0; i < p.count; ++i) {
    const int64_t mine = p.items[i].from.rows * p.items[i].to.stride / (p.bf16 ? 8 : 4);
    chunks = mine > chunks ? mine : chunks;
  }
  const int64_t across = blocks(chunks, kThreads);
  const Dim grid(across < kMostBlocks ? across : kMostBlocks, p.count);
  p.bf16 ? launch(mlp_pack_kernel<uint16_t>, grid, kThreads, 0, stream, p)
         : launch(mlp_pack_kernel<float>, grid, kThreads, 0, stream, p);
}

}  // namespace
}  // namespace dlrm::cuda::mlp

namespace dlrm {
const MlpCuda mlp_cuda = {cuda::mlp::pack, cuda::mlp::product};
}
