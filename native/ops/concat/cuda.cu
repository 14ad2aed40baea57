// All columns in one launch, 64 parts at a time. Bytes decide: 8 a number.
#include "cuda/device.cuh"
#include "ops/concat/concat.h"

namespace dlrm::cuda {
namespace {

constexpr int kThreads = 256, kParts = 64;

struct Parts {
  float* to[kParts];
  const float* from[kParts];
  int32_t to_stride[kParts], from_stride[kParts], first[kParts + 1];
  int32_t count;
};
static_assert(sizeof(Parts) <= 4000, "goes by value");

// The parts side by side are one matrix of first[count] columns; a thread copies one number of it at a time.
__global__ void __launch_bounds__(kThreads) copy_kernel(Parts parts, int64_t rows) {
  const int32_t cols = parts.first[parts.count];
  for (int64_t i = global_thread(); i < rows * cols; i += global_threads()) {
    const int64_t r = i / cols;
    const auto c = static_cast<int32_t>(i - r * cols);
    int low = 0, high = parts.count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (parts.first[middle] <= c)
        low = middle;
      else
        high = middle;
    }
    const int32_t k = c - parts.first[low];
    parts.to[low][r * parts.to_stride[low] + k] = parts.from[low] ? parts.from[low][r * parts.from_stride[low] + k] : 0;
  }
}

void launch_parts(Parts& parts, int64_t rows, CudaStream stream) {
  constexpr int64_t kMostBlocks = 8192, kPerThread = 4;
  const int64_t wanted = blocks(rows * parts.first[parts.count], kThreads * kPerThread);
  launch(copy_kernel, wanted < kMostBlocks ? wanted : kMostBlocks, kThreads, 0, stream, parts, rows);
  parts.count = 0;
}

void copy(const ColumnCopy* copies, int64_t count, int64_t rows, CudaStream stream) {
  Parts parts;
  parts.count = 0;
  parts.first[0] = 0;
  for (int64_t i = 0; i < count; ++i) {
    const View &to = copies[i].to, &from = copies[i].from;
    if (to.data == from.data || !to.cols) continue;
    const int at = parts.count++;
    parts.to[at] = static_cast<float*>(to.data);
    parts.from[at] = static_cast<const float*>(from.data);
    parts.to_stride[at] = static_cast<int32_t>(to.stride);
    parts.from_stride[at] = static_cast<int32_t>(from.stride);
    parts.first[at + 1] = parts.first[at] + static_cast<int32_t>(to.cols);
    if (parts.count == kParts) launch_parts(parts, rows, stream);
  }
  if (parts.count) launch_parts(parts, rows, stream);
}

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const ConcatCuda concat_cuda = {cuda::copy};
}
