// interaction_dot on the device: which kernel, and how much of a block's shared memory for what.
#include "ops/interaction_dot/cuda_bf16.cuh"
#include "ops/interaction_dot/cuda_f32.cuh"

namespace dlrm {
namespace cuda {
namespace {

// More vectors than shared memory takes, in float32: one thread for each number.
__global__ void __launch_bounds__(kDotThreads) dot_forward_any(InteractionDotForward a, int64_t batch) {
  const int dense = a.x.data ? static_cast<int>(a.width) : 0, cols = static_cast<int>(a.out.cols);
  for (int64_t at = global_thread(); at < batch * cols; at += global_threads()) {
    const int64_t b = at / cols;
    const int col = static_cast<int>(at % cols);
    float sum = 0;
    if (col < dense) {
      sum = row(a.x, b)[col];
    } else {
      const Pair pair = pair_at(col - dense, a.itself);
      const float *zi = vector_of(a.x, a.e, b, pair.i, a.width), *zj = vector_of(a.x, a.e, b, pair.j, a.width);
      for (int64_t k = 0; k < a.width; ++k) sum = fmaf(zi[k], zj[k], sum);
    }
    row(a.out, b)[col] = sum;
  }
}

__global__ void __launch_bounds__(kDotThreads) dot_backward_any(InteractionDotBackward a, int64_t batch) {
  const int64_t cols = a.vectors * a.width;
  for (int64_t at = global_thread(); at < batch * cols; at += global_threads()) {
    const int64_t b = at / cols, k = at % a.width;
    const int i = static_cast<int>(at % cols / a.width);
    float* const to = gradient_of(a, b, i);
    if (!to) continue;
    const float* const pairs = row(a.dout, b) + (a.x.data ? a.width : 0);
    float sum = i == 0 && a.x.data ? row(a.dout, b)[k] : 0;
    for (int j = 0; j < static_cast<int>(a.vectors); ++j)
      sum = fmaf(weight_of(pairs, i, j, static_cast<int>(a.vectors), a.itself), vector_of(a.x, a.e, b, j, a.width)[k], sum);
    to[k] = sum;
  }
}

constexpr int64_t kManyBlocks = 1 << 16;

template <class Args>
void launch_any(void (*kernel)(Args, int64_t), const Args& a, int64_t batch, int64_t numbers, CudaStream stream) {
  const int64_t grid = blocks(batch * numbers, kDotThreads);
  launch(kernel, grid < kManyBlocks ? grid : kManyBlocks, kDotThreads, 0, stream, a, batch);
}

template <int kChunk, bool kAligned>
bool forward_f32(const InteractionDotForward& a, int64_t batch, CudaStream stream) {
  constexpr int kOf = kDotThreads / (kChunk / 16);
  const int64_t side = blocks(a.vectors, kTile), tiles = side * (side + 1) / 2, pairs = a.out.cols - (a.x.data ? a.width : 0);
  DotForwardPlan plan;
  plan.tiles = static_cast<int>(tiles);
  plan.tiles_of_block = tiles < kOf ? plan.tiles : kOf;
  plan.example_floats = static_cast<int>(blocks(side * kTile * (kChunk + 4) - 16, 32) * 32 + 16);
  plan.staged = plan.tiles_of_block == plan.tiles && pairs * 4 <= kDotShared;
  const int64_t stages = a.width > kChunk ? 2 : 1;
  const int64_t fetched = stages * plan.example_floats * 4, needed = plan.staged && pairs * 4 > fetched ? pairs * 4 : fetched;
  if (needed > kDotShared) return false;
  const int64_t by_shared = kDotShared / needed, by_threads = kOf / plan.tiles_of_block;
  plan.examples = examples_of_block(batch, by_shared < by_threads ? by_shared : by_threads);
  launch(dot_forward_f32<kChunk, kAligned>, Dim(blocks(batch, plan.examples), blocks(tiles, plan.tiles_of_block)), kDotThreads,
         static_cast<size_t>(plan.examples * needed), stream, a, batch, plan);
  return true;
}

template <bool kAligned>
void forward(const InteractionDotForward& a, int64_t batch, bool bf16, CudaStream stream) {
  if (bf16) {
    const int64_t side = blocks(a.vectors, kBlock), pairs = a.out.cols - (a.x.data ? a.width : 0);
    const bool small = side == 1;
    launch(small ? dot_forward_bf16<true, kAligned> : dot_forward_bf16<false, kAligned>,
           blocks(small ? batch : batch * (side * (side + 1) / 2), kDotWarps), kDotThreads,
           small ? static_cast<size_t>(kDotWarps * pairs * 4) : 0, stream, a, batch);
    return;
  }
  const int64_t side = blocks(a.vectors, kTile);
  const bool narrow = a.width <= 16 || side * (side + 1) / 2 > kDotThreads / 2;
  if (narrow ? forward_f32<16, kAligned>(a, batch, stream) : forward_f32<32, kAligned>(a, batch, stream)) return;
  launch_any(dot_forward_any, a, batch, a.out.cols, stream);
}

template <bool kAligned>
bool backward_f32(const InteractionDotBackward& a, int64_t batch, CudaStream stream) {
  const int64_t row_blocks = blocks(a.vectors, kTile);
  DotBackwardPlan plan;
  plan.row_blocks = static_cast<int>(row_blocks);
  plan.weights_row = static_cast<int>(8 * row_blocks + 4);
  plan.chunk = 16;
  while (plan.chunk < 128 && plan.chunk < a.width) plan.chunk *= 2;
  const auto bytes = [&] { return a.vectors * (plan.chunk + plan.weights_row) * 4; };
  while (plan.chunk > 16 && bytes() > kDotShared) plan.chunk /= 2;
  if (bytes() > kDotShared) return false;
  const int quads = plan.chunk > 16 ? 2 : 1;
  const int64_t by_shared = kDotShared / bytes(), by_threads = kDotThreads / (row_blocks * plan.chunk / (4 * quads));
  plan.examples = examples_of_block(batch, by_shared < by_threads ? by_shared : by_threads);
  launch(quads == 2 ? dot_backward_f32<2, kAligned> : dot_backward_f32<1, kAligned>, blocks(batch, plan.examples), kDotThreads,
         static_cast<size_t>(plan.examples * bytes()), stream, a, batch, plan);
  return true;
}

template <bool kAligned>
void backward(const InteractionDotBackward& a, int64_t batch, bool bf16, CudaStream stream) {
  if (bf16) {
    const int64_t side = blocks(a.vectors, kBlock), pairs = a.dout.cols - (a.x.data ? a.width : 0);
    const bool small = side == 1;
    launch(small ? dot_backward_bf16<true, kAligned> : dot_backward_bf16<false, kAligned>, blocks(batch * side, kDotWarps), kDotThreads,
           small ? static_cast<size_t>(kDotWarps * pairs * 4) : 0, stream, a, batch);
    return;
  }
  if (!backward_f32<kAligned>(a, batch, stream)) launch_any(dot_backward_any, a, batch, a.vectors * a.width, stream);
}

void launch_forward(const InteractionDotForward& a, int64_t batch, bool bf16, CudaStream stream) {
  const bool aligned = a.width % 4 == 0 && aligned16(a.x) && aligned16(a.e);
  (aligned ? forward<true> : forward<false>)(a, batch, bf16, stream);
}

void launch_backward(const InteractionDotBackward& a, int64_t batch, bool bf16, CudaStream stream) {
  const bool aligned = a.width % 4 == 0 && aligned16(a.x) && aligned16(a.e) && aligned16(a.dx) && aligned16(a.de);
  (aligned ? backward<true> : backward<false>)(a, batch, bf16, stream);
}

}  // namespace
}  // namespace cuda

const InteractionDotCuda interaction_dot_cuda = {cuda::launch_forward, cuda::launch_backward};

}  // namespace dlrm
