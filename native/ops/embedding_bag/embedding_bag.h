// Pooled embedding rows per example, one part of the output for each column of bags, side by side; table_options.h says
// which columns, which table each looks up, how wide it is and how it is pooled. One column:
//   bag b = lookups i in [offsets[b], offsets[b+1]),  r_i = weight[indices[i], :]
//   sum   out[b,:] = sum of s_i r_i over the bag,  s_i = weights[i] (per-sample), or row_weights[indices[i]], or 1
//   mean  out[b,:] = sum of r_i / number of lookups of the bag
//   max   out[b,e] = largest r_i[e]; positions[b,e] = the first lookup i that has it, -1 for an empty bag
//   An empty bag gives zeros.
//   weight      [R,E] f32, bf16, f16 or, in prediction only, int8 or int4 (base/table_rows.h); rows may lie further apart
//   indices     [L]   i32 in [0,R), offsets [B+1] i32, never decreasing, from 0 to L; checked in binding/, not here
//   weights     [L]   f32 or null; row_weights [R] f32 or null; at most one of them, and only with sum
//   out         [B,E] f32, the column's part of [B, sum of E over the columns]; positions [B,E] i32, the column's part of
//               [B, sum of E over the max columns]
// Columns of one table share it. Parameters: <name>.<t>.weight [R,E] of table t, with row_weights <row_weights>.<t> [R];
// uniform in +-sqrt(1/R) unless init says otherwise; of the type that the option dtype says (f32).
// Backward, for sum: dlookup[i] = <dout[b,:], r_i>, the gradient of s_i. Gradients of the rows themselves are made and
// spent at once by embedding_update.
#pragma once
#include "base/isa.h"
#include "base/view.h"
#include "cuda/plugin.h"

namespace dlrm {

enum class Pooling { sum, mean, max };

struct EmbeddingBagTable {
  const void* weight;
  DType dtype;
  int64_t weight_stride, width;
  const int32_t *offsets, *indices;
  const float *weights, *row_weights;
  int64_t lookups;  // L
  Pooling pooling;
};

struct EmbeddingBagForward {
  float* out;
  int64_t out_stride;
  int32_t* positions;  // max only
  int64_t positions_stride;
  EmbeddingBagTable table;
};

struct EmbeddingBagBackward {
  float* dlookup;
  const float* dout;
  int64_t dout_stride;
  EmbeddingBagTable table;
};

// Bags [range.begin, range.end) of one table.
struct EmbeddingBagKernels {
  void (*forward)(const EmbeddingBagForward&, Range);
  void (*backward)(const EmbeddingBagBackward&, Range);
};

extern const EmbeddingBagKernels embedding_bag_scalar, embedding_bag_avx2, embedding_bag_avx512;

// All columns at once; their pointers lead to the device, the arrays of columns do not. scratch: scratch_bytes of these
// columns, of which it reads but sizes, numbers of lookups and pooling. Backward: columns of mode sum; one without a table
// gets zeros.
struct EmbeddingBagCuda {
  size_t (*scratch_bytes)(const EmbeddingBagForward* columns, int64_t count);
  void (*forward)(const EmbeddingBagForward* columns, int64_t count, int64_t batch, void* scratch, CudaStream);
  void (*backward)(const EmbeddingBagBackward* columns, int64_t count, int64_t batch, CudaStream);
};

extern const EmbeddingBagCuda embedding_bag_cuda;

}  // namespace dlrm
