// One optimizer step (optim/*.h) of the touched rows of one table, fused with the backward pass of embedding_bag.
//   g[r,:] = sum over the lookups i of row r, in their order, of the lookup's gradient:
//     sum   s_i dout[b,:], b = bag of lookup i, s_i = weights[i], or row_weights[r], or 1
//     mean  dout[b,:] / number of lookups of b
//     max   dout[b,e] where positions[b,e] = i, else 0
//   then the rule's formula once per row: a row hit twice must sum its gradients first, since (a+b)^2 != a^2 + b^2.
// This is PyTorch's coalesced sparse gradient (sparse=True), which it has for sum and mean; max follows the same rule,
// and a row that was looked up without winning counts as touched.
//   keys        [L] lookups sorted by row (lookup_sort.h)
//   weight      [R,E] f32; state[i] the same, or [R] for a state per row (rowwise_adagrad)
//   dout        [B,E] f32; or one number per lookup, as a table of E = 1 with one bag per lookup
//   bag_of      [L] i32: the bag of each lookup, if the keys' source is the lookup; null: the source is the bag
//   weights     [L] f32 or null (needs bag_of); row_weights [R] f32 or null
//   positions   [B,E] i32, max only (needs bag_of)
#pragma once
#include "ops/embedding_bag/embedding_bag.h"
#include "optim/rule_step.h"

namespace dlrm {

struct EmbeddingUpdateArgs {
  float* weight;
  int64_t weight_stride, width;
  float* state[2];
  int64_t state_stride[2];
  const uint64_t* keys;
  int64_t lookups;
  const float* dout;
  int64_t dout_stride;
  const int32_t *offsets, *bag_of;
  const float *weights, *row_weights;
  const int32_t* positions;
  int64_t positions_stride;
  Pooling pooling;
  RuleStep rule;
};

// The rows whose first key lies in keys[range.begin, range.end), all their keys included. gradient: room for [E]
// rounded up to kGradientFloats.
constexpr int64_t kGradientFloats = 16;
struct EmbeddingUpdateKernels {
  void (*update)(const EmbeddingUpdateArgs&, Range, float* gradient);
};

extern const EmbeddingUpdateKernels embedding_update_scalar, embedding_update_avx2, embedding_update_avx512;

}  // namespace dlrm
