// A learned vector for each numeric column, scaled by its value: numbers become fields like the others.
//   x      [B,D]    f32
//   weight [D,E]    f32
//   out    [B,D*E]  f32: out[b, dE .. (d+1)E) = x[b,d] weight[d,:]
// Backward:
//   dx[b,d] = <dout_d, weight[d,:]>, dweight[d,:] = sum_b x[b,d] dout_d, dout_d = dout[b, dE .. (d+1)E)
#pragma once
#include "base/view.h"

namespace dlrm {

struct NumericEmbeddingForward {
  View out;
  View x, weight;
};

struct NumericEmbeddingBackward {
  View dx;  // may be null
  View dout, x, weight;
  float* sums;  // [D, padded(E)]: the range's dweight, as add_sums reads it; null: not wanted
};

// Rows [range.begin, range.end) of the batch.
struct NumericEmbeddingKernels {
  void (*forward)(const NumericEmbeddingForward&, Range);
  void (*backward)(const NumericEmbeddingBackward&, Range);
  // dweight = the sum of the sums of `count` ranges, one behind the other.
  void (*add_sums)(const float* sums, int64_t count, const View& dweight);
  int64_t lanes;  // padded(E) is the next multiple
  double ns;      // per element of out, about
};

extern const NumericEmbeddingKernels numeric_embedding_scalar, numeric_embedding_avx2, numeric_embedding_avx512;

}  // namespace dlrm
