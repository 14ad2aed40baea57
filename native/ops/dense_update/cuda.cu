// Up to 64 tensors in a launch, 1,024 weights a block: 4 a thread, whose loads are all under way at once. Bytes decide:
// 12 + 8 for each state per weight, so that a tower of 2 M weights takes what its launch takes.
#include "cuda/rules.cuh"
#include "ops/dense_update/dense_update.h"

namespace dlrm::cuda {
namespace {

constexpr int kThreads = 256, kPerThread = 4, kPerBlock = kThreads * kPerThread;
constexpr int kTensors = 64;

struct Batch {
  DenseUpdateTensor tensors[kTensors];
  int32_t first_block[kTensors + 1];
  int32_t count;
};
static_assert(sizeof(Batch) <= 4000, "goes by value");

// The tensor of this block, and where it begins in it.
__device__ int find_tensor(const Batch& batch, int64_t& begin) {
  int low = 0, high = batch.count;
  const int block = static_cast<int>(blockIdx.x);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (batch.first_block[middle] <= block)
      low = middle;
    else
      high = middle;
  }
  begin = static_cast<int64_t>(block - batch.first_block[low]) * kPerBlock;
  return low;
}

template <class Rule>
__global__ void __launch_bounds__(kThreads) update_kernel(Batch batch, const RuleStep* constants, const float* scale_at) {
  int64_t begin;
  const DenseUpdateTensor& t = batch.tensors[find_tensor(batch, begin)];
  const Rule rule(*constants);
  const float scale = scale_at ? *scale_at : constants->scale;
  float w[kPerThread], g[kPerThread], state[kPerThread][Rule::kStates + 1];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const int64_t k = begin + i * kThreads + threadIdx.x;
    if (k >= t.n) break;
    w[i] = t.w[k];
    g[i] = t.g[k];
    for (int s = 0; s < Rule::kStates; ++s) state[i][s] = t.state[s][k];
  }
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const int64_t k = begin + i * kThreads + threadIdx.x;
    if (k >= t.n) break;
    t.w[k] = rule(w[i], scale * g[i], state[i]);
    for (int s = 0; s < Rule::kStates; ++s) t.state[s][k] = state[i][s];
  }
}

__global__ void __launch_bounds__(kThreads) squares_kernel(Batch batch, double* sums) {
  __shared__ double parts[kThreads / kWarp];
  int64_t begin;
  const DenseUpdateTensor& t = batch.tensors[find_tensor(batch, begin)];
  double sum = 0;
  for (int i = 0; i < kPerThread; ++i) {
    const int64_t k = begin + i * kThreads + threadIdx.x;
    if (k < t.n) sum += static_cast<double>(t.g[k]) * t.g[k];
  }
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void add_kernel(double* squares, const double* sums, int64_t n) {
  __shared__ double parts[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += sums[i];
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) *squares += sum;
}

// fn(batch, blocks) for every kTensors of the tensors that have a gradient.
template <class F>
void each_batch(const DenseUpdateTensor* tensors, int64_t count, F&& fn) {
  Batch batch;
  batch.count = 0;
  batch.first_block[0] = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!tensors[i].g || !tensors[i].n) continue;
    const int at = batch.count++;
    batch.tensors[at] = tensors[i];
    batch.first_block[at + 1] = batch.first_block[at] + static_cast<int32_t>(blocks(tensors[i].n, kPerBlock));
    if (batch.count < kTensors) continue;
    fn(batch, batch.first_block[kTensors]);
    batch.count = 0;
  }
  if (batch.count) fn(batch, batch.first_block[batch.count]);
}

template <class Rule>
void update_all(const DenseUpdateTensor* tensors, int64_t count, const RuleStep* rule, const float* scale_at, CudaStream stream) {
  each_batch(tensors, count, [&](const Batch& batch, int64_t n) {
    launch(update_kernel<Rule>, n, kThreads, 0, stream, batch, rule, scale_at);
  });
}

void update(const DenseUpdateTensor* tensors, int64_t count, RuleKind kind, const RuleStep* rule, const float* scale_at, CudaStream stream) {
  switch (kind) {
    case RuleKind::sgd: return update_all<rule::Sgd>(tensors, count, rule, scale_at, stream);
    case RuleKind::momentum: return update_all<rule::Momentum>(tensors, count, rule, scale_at, stream);
    case RuleKind::adam: return update_all<rule::Adam>(tensors, count, rule, scale_at, stream);
    case RuleKind::ftrl: return update_all<rule::Ftrl>(tensors, count, rule, scale_at, stream);
    default: return update_all<rule::Adagrad>(tensors, count, rule, scale_at, stream);
  }
}

size_t scratch_bytes(const DenseUpdateTensor* tensors, int64_t count) {
  int64_t all = 0;
  for (int64_t i = 0; i < count; ++i) all += tensors[i].g ? blocks(tensors[i].n, kPerBlock) : 0;
  return static_cast<size_t>(all) * sizeof(double);
}

void squares(const DenseUpdateTensor* tensors, int64_t count, double* total, void* scratch, CudaStream stream) {
  auto* sums = static_cast<double*>(scratch);
  int64_t all = 0;
  each_batch(tensors, count, [&](const Batch& batch, int64_t n) {
    launch(squares_kernel, n, kThreads, 0, stream, batch, sums + all);
    all += n;
  });
  if (all) launch(add_kernel, 1, kThreads, 0, stream, total, sums, all);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const DenseUpdateCuda dense_update_cuda = {cuda::update, cuda::scratch_bytes, cuda::squares};
}
