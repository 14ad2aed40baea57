// The linear part of a click model: one weight per id. Logistic regression's logits, the first order of a factorization
// machine (Rendle 2010, equation 1), the wide part of Wide & Deep (Cheng et al. 2016).
//   out[b] = bias + sum over the columns c of
//     sum   sum of s_i weight_c[indices_c[i]] over the bag of b,  s_i = weights_c[i] (per-sample) or 1
//     mean  sum of weight_c[indices_c[i]] / number of lookups of the bag
//   weight [R,1] f32 of the column's table, rows may lie further apart; offsets, indices, weights as in embedding_bag.h
//   out    [B,1] f32
// Backward: dbias = sum of dout, in a fixed order; dlookup[i] = dout[b] weight[indices[i]], the gradient of s_i. The
// tables are updated by embedding_update, in which all columns share dout.
// Parameters: <name>.<t>.weight [R,1] of table t and, unless bias is false, <name>.bias [1]; zeros unless init says
// otherwise (the bias always). Columns, tables and modes: embedding_bag/table_options.h.
#pragma once
#include "base/isa.h"
#include "base/view.h"

namespace dlrm {

struct LinearBagColumn {
  const float* weight;
  int64_t weight_stride;
  const int32_t *offsets, *indices;
  const float* weights;
  float* dlookup;  // backward
  int64_t lookups;
  bool mean;
};

struct LinearBagArgs {
  float* out;        // backward: dout, only read
  int64_t out_stride;
  const float* bias; // null: 0
  const LinearBagColumn* columns;
  int64_t column_count;
};

// Bags [range.begin, range.end), at most kLinearBagBlock.
constexpr int64_t kLinearBagBlock = 512;
struct LinearBagKernels {
  void (*forward)(const LinearBagArgs&, Range);
  void (*backward)(const LinearBagArgs&, Range);
};

extern const LinearBagKernels linear_bag_scalar, linear_bag_avx2, linear_bag_avx512;

}  // namespace dlrm
