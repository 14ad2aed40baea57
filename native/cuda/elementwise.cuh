// Matrices of one shape, element by element.
//   each_element(stream, Product{}, out, x, y) with  struct Product { __device__ float operator()(const float (&v)[2]) const ... };
// Bytes decide: 4 elements a thread, whose loads are all under way at once.
#pragma once
#include "cuda/device.cuh"

namespace dlrm::cuda {

constexpr int kElementThreads = 256, kElementsPerThread = 4;

template <int N>
struct Columns {
  float* data[N];
  int64_t stride[N];
};

// The last of the views = f(the others); of `n` < 2^31 elements in rows of cols.
template <class F, int N>
__global__ void __launch_bounds__(kElementThreads) elements_kernel(F f, Columns<N + 1> views, uint32_t n, uint32_t cols) {
  const uint32_t begin = blockIdx.x * (kElementThreads * kElementsPerThread) + threadIdx.x;
  float values[kElementsPerThread][N];
  int64_t row[kElementsPerThread];
  uint32_t col[kElementsPerThread];
#pragma unroll
  for (uint32_t i = 0; i < kElementsPerThread; ++i) {
    const uint32_t k = begin + i * kElementThreads;
    if (k >= n) break;
    row[i] = k / cols;
    col[i] = k % cols;
#pragma unroll
    for (int v = 0; v < N; ++v) values[i][v] = views.data[v][row[i] * views.stride[v] + col[i]];
  }
#pragma unroll
  for (uint32_t i = 0; i < kElementsPerThread; ++i) {
    if (begin + i * kElementThreads >= n) break;
    views.data[N][row[i] * views.stride[N] + col[i]] = f(values[i]);
  }
}

// Rows of `out` and as many of each input. Matrices without gaps between their rows are one long row.
template <class F, class... V>
void each_element(CudaStream stream, F f, const View& out, const V&... in) {
  constexpr int N = static_cast<int>(sizeof...(V));
  constexpr int64_t kMost = int64_t{1} << 30;
  const View views[] = {in..., out};
  bool dense = true;
  for (const View& view : views) dense = dense && view.stride == out.cols;
  const int64_t elements = out.rows * out.cols, cols = dense ? kMost : out.cols, step = dense ? 1 : kMost / (out.cols + 1) + 1;
  const int64_t rows = dense ? blocks(elements, kMost) : out.rows;
  for (int64_t r = 0; r < rows; r += step) {
    Columns<N + 1> part;
    for (int v = 0; v <= N; ++v) {
      part.stride[v] = dense ? kMost : views[v].stride;
      part.data[v] = static_cast<float*>(views[v].data) + r * part.stride[v];
    }
    const int64_t end = dense ? (r + 1) * kMost : (r + step) * out.cols, n = (end < elements ? end : elements) - r * cols;
    launch(elements_kernel<F, N>, blocks(n, kElementThreads * kElementsPerThread), kElementThreads, 0, stream, f, part,
           static_cast<uint32_t>(n), static_cast<uint32_t>(cols));
  }
}

}  // namespace dlrm::cuda
