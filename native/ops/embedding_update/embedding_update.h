// One optimizer step (optim/*.h) of the touched rows of one table, fused with the backward pass of embedding_bag.
//   g[r,:] = sum over the columns of the table and their lookups i of row r, in this order, of the lookup's gradient:
//     sum   s_i dout[b,:], b = bag of lookup i, s_i = weights[i], or row_weights[r], or 1
//     mean  dout[b,:] / number of lookups of b
//     max   dout[b,e] where positions[b,e] = i, else 0
//   then the rule's formula once per row: a row hit twice must sum its gradients first, since (a+b)^2 != a^2 + b^2.
// This is PyTorch's coalesced sparse gradient (sparse=True), which it has for sum and mean; max follows the same rule,
// and a row that was looked up without winning counts as touched.
//   weight      [R,E] f32, or bf16 or f16: what the formula gives in f32 is rounded stochastically (base/half.h), so that
//               updates smaller than half a last place count on average
//   state[i]    [R,E] f32, or [R] for a state per row (rowwise_adagrad)
//   dout        f32; bag b of a column has its E numbers at dout + column.gradient + b dout_stride (per_lookup: lookup b);
//               all of them within 2^32 floats
//   row_weights [R] f32 or null
// Two ways to sum: of many rows, the lookups are sorted by row and each row sums its own.
//   keys        [L] lookups of all columns sorted by row (lookup_sort.h)
//   sources     [L] by number of the lookup, if the keys lead there; null: they lead to dout and every s_i is 1
// Of few rows, every lookup adds to its row's sum: no sort, and a row that thousands look up is no task of its own. Slices
// of the lookups have sums of their own, which are added in order.
//   sums        [slices][R][sum_floats(E)] f32, zeros at first
//   touched     [slices][R], zeros at first, 1 for the rows that have been looked up
#pragma once
#include "base/half.h"
#include "cuda/plugin.h"
#include "ops/embedding_bag/embedding_bag.h"
#include "ops/embedding_update/lookup_sort.h"
#include "optim/rule_step.h"

namespace dlrm {

// Floats from one row's sum to the next.
constexpr int64_t kGradientFloats = 16;
constexpr int64_t sum_floats(int64_t width) {
  return width == 1 ? 1 : (width + kGradientFloats - 1) / kGradientFloats * kGradientFloats;
}

struct EmbeddingUpdateArgs {
  void* weight;
  DType dtype;
  RoundingKey rounding;
  int64_t weight_stride, width, rows;
  float* state[2];
  int64_t state_stride[2];
  const float* dout;
  const float* row_weights;
  const int32_t* positions;
  const UpdateColumn* columns;
  int64_t column_count, batch;
  int64_t lookups;  // of all columns
  const uint64_t* keys;
  const LookupSource* sources;
  float* sums;
  uint8_t* touched;
  int64_t slices;
  bool whole;  // every row of the table in every step
  RuleStep rule;
};

// gradient: room for [E] rounded up to kGradientFloats.
struct EmbeddingUpdateKernels {
  // The rows whose first key lies in keys[range.begin, range.end), all their keys included.
  void (*update)(const EmbeddingUpdateArgs&, Range, float* gradient);
  // Rows [range.begin, range.end) of a table with keys; those without one get the gradient 0.
  void (*update_all)(const EmbeddingUpdateArgs&, Range, float* gradient);
  // Adds the lookups of the range to the sums of the slice.
  void (*sum)(const EmbeddingUpdateArgs&, Range, int64_t slice);
  // The rows of the range that have been looked up (whole: all), from their sums. Adds up the sums: once only.
  void (*update_sums)(const EmbeddingUpdateArgs&, Range, float* gradient);
  // Sum of g^2 over the rows of update() or update_sums().
  double (*squares)(const EmbeddingUpdateArgs&, Range, float* gradient);
};

extern const EmbeddingUpdateKernels embedding_update_scalar, embedding_update_avx2, embedding_update_avx512;

// All tables at once. Of their arguments, whose arrays of columns are the host's and whose other pointers lead to the device,
// the members from `keys` to `slices` are not used, nor what changes from step to step: rule and rounding, which are among
// the constants, rule.kind and rule.weight_decay aside.
struct EmbeddingUpdateJob {
  const EmbeddingUpdateArgs* tables;
  int64_t count, batch;
  const RuleStep* rule;          // on the device
  const RoundingKey* rounding;   // on the device, of each table
  const float* scale;            // on the device, or null: instead of rule->scale
  double* squares;               // on the device, not null: add the sum of squares of the gradients, change nothing
  bool again;                    // scratch is as the call with `squares` has left it
  void* scratch;
};

// The two lie behind each other.
static_assert(sizeof(RuleStep) % alignof(RoundingKey) == 0, "constants");

struct EmbeddingUpdateCuda {
  // Reads but sizes, types, pooling and whether pointers are null.
  size_t (*scratch_bytes)(const EmbeddingUpdateJob&);
  void (*forward)(const EmbeddingUpdateJob&, CudaStream);
};

extern const EmbeddingUpdateCuda embedding_update_cuda;

}  // namespace dlrm
