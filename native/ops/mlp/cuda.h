// The kernels of mlp on a GPU: what mlp.h computes, with matrices of factors in the packed form: row-major, of floats or,
// with precision bf16, of bfloat16; base and stride are multiples of 16 bytes, columns between the matrix's own and the
// stride are zero. Weights, the inputs of all layers and dz of all layers are packed; sums, biases and results are float32.
//
// All three products are one kernel, C[rows,cols] = finish(A[rows,depth] B[depth,cols]), on tensor cores:
//   forward          A = x [B,K]      B = W^T    finish: + b, then f     to the packed input of the next layer, or y
//   input gradient   A = dz [B,N]     B = W      finish: * f'(x)         to the packed dz of the layer below, or dx
//   weight gradient  A = dz^T         B = x      db: sums of A's rows    to dW
// W [N,K], x [B,K] and dz [B,N] are read as they lie: no transposed form exists.
//   bf16: products of bfloat16, sums in float32.
//   float32: each factor is the sum of two tf32, hi + lo; hi hi + hi lo + lo hi is a product to about 2^-22. A tensor core
//   cuts what it adds, so a step's sum (8 deep) starts from zero there and is added to the total by an ordinary addition.
// The depth may be cut into `splits` parts whose sums are written to `parts` and added in order by a second kernel.
// Results depend on shapes alone, but for up to kFewRows rows y is summed in another order than in larger batches.
//
// Counted for H100 (132 multiprocessors; mma.sync reaches about 62 % of the rate of wgmma: 620 TFLOP/s of bf16, 310 of
// tf32, so 103 of float32 against 67 by plain multiply-add; 3.0 TB/s measured for copies):
//   four layers of 1024 x 1024, B = 16,384, bf16: each product 34.4 GFLOP, 55 us; it reads 34 + 2 MB and writes 34 MB, 23 us.
//     Forward 0.22 ms, backward 0.43 ms + 4 x 10 us for the parts of dW (4 x 4 MB written, read, 4 MB written).
//     At that rate tiles of 256 x 128 read 6.9 TB/s from L2, tiles of 128 x 128 9.2 TB/s: L2 may well be what bounds both.
//   Kaggle shape (13-512-256-64-16 and 367-512-256-1), B = 2048, bf16: 2.0 GFLOP forward, 3.9 backward: 10 us, and 15 MB of
//     values moved: 5 us; 7 + 14 launches. What bounds it is the time of a launch in a graph (about 2 us each).
//   B = 1, bf16: the weights once, 2 MB per layer of 1024: 0.7 us at the memory's rate, launch apart.
#pragma once
#include "cuda/plugin.h"
#include "ops/fused_activation.h"

namespace dlrm {

struct MlpPacked {
  void* data = nullptr;
  int64_t stride = 0;  // elements
};

// Packed forms of matrices, of all in one launch: of `from`, or, with `out`, of from * f'(out).
struct MlpCudaPacking {
  static constexpr int kMost = 16;
  struct Item {
    View from, out;
    MlpPacked to;
    Activation activation;
  };
  Item items[kMost];
  int32_t count = 0;
  bool bf16 = false;
};

// Rows x columns of a block. few: one warp per column, for the forward product of up to kFewRows rows.
enum class MlpTile : uint8_t { few, t64x64, t128x128, t256x128 };

struct MlpPlan {
  MlpTile tile = MlpTile::t64x64;
  int32_t splits = 1;
  int64_t split_depth = 0;  // of every part but the last
};

struct MlpCudaProduct {
  enum Pass : uint8_t { forward, input_gradient, weight_gradient };
  Pass pass = forward;
  bool bf16 = false;
  Activation activation = Activation::none;
  MlpPacked a, b;  // x, W; dz, W; dz, x
  int64_t rows = 0, cols = 0, depth = 0;
  const float* bias = nullptr;  // forward: [cols], or null
  MlpPacked gate;               // input gradient: packed, rows x cols; null data: nothing to multiply with
  MlpPacked packed;             // the result goes there, or, if data is null, to `out`, if that is not null
  View out;
  float* dbias = nullptr;  // weight gradient: [rows], or null
  MlpPlan plan;
  float* parts = nullptr;  // mlp_parts_floats(...), if there are several
};

struct MlpCuda {
  void (*pack)(const MlpCudaPacking&, CudaStream);
  void (*product)(const MlpCudaProduct&, CudaStream);
};

extern const MlpCuda mlp_cuda;

constexpr int64_t kFewRows = 8;

// Elements from one row of a packed form to the next.
constexpr int64_t mlp_packed_stride(int64_t cols, bool bf16) { return bf16 ? (cols + 7) / 8 * 8 : (cols + 3) / 4 * 4; }

// A stage of the pipeline: this deep.
constexpr int64_t mlp_stage_depth(bool bf16) { return bf16 ? 64 : 32; }

// What is expected to take least time; a function of these numbers alone.
MlpPlan mlp_plan(MlpCudaProduct::Pass pass, bool bf16, int64_t rows, int64_t cols, int64_t depth);
MlpPlan mlp_plan(MlpTile tile, int64_t splits, bool bf16, int64_t depth);  // this tile; up to so many splits, none empty

// Of MlpCudaProduct::parts: the sums of each split, its rows' sums behind them.
constexpr int64_t mlp_parts_stride(int64_t cols) { return (cols + 7) / 8 * 8; }  // at least a packed form's
constexpr int64_t mlp_parts_floats(const MlpPlan& plan, int64_t rows, int64_t cols) {
  return plan.splits > 1 ? plan.splits * (rows * mlp_parts_stride(cols) + (rows + 3) / 4 * 4) : 0;
}

constexpr int64_t kMlpMostParts = int64_t{132} * 256 * 128;
// At least mlp_parts_floats of the plan for these sizes and of all that are no larger.
int64_t mlp_most_parts(bool bf16, int64_t rows, int64_t cols, int64_t depth);

}  // namespace dlrm
