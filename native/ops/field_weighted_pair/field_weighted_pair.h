// All pairs of an example's F vectors, each with a learned weight (Pan et al. 2018, field-weighted factorization machine,
// equation 4; the field matrix R of DeepLight, Deng et al. 2021).
//   out[b] = sum over i > j of r_ij <v_i, v_j> = sum_i <u_i, v_i>,  u_i = sum over j < i of r_ij v_j
//   x      [B,F*E]  f32: v_f = x[b, fE .. (f+1)E)
//   weight [P]      f32: r, row by row through the strict lower triangle: (1,0), (2,0), (2,1), ...; P = F(F-1)/2
//   out    [B,1]    f32
// Forward skips the pairs whose weight is exactly 0 (pruned ones). Backward does not: they may grow again.
//   dv_i = dout sum over j != i of r_ij v_j
//   dr_ij = sum_b dout[b] <v_i, v_j>
#pragma once
#include "base/view.h"

namespace dlrm {

// The pairs that count: those of row i are [begin[i], begin[i+1]), of the vectors at `column` (jE).
struct PairList {
  const int32_t* begin;   // [F+1]
  const int32_t* column;  // [P]
  const float* weight;    // [P]
};

struct FieldWeightedForward {
  View out;
  View x;
  PairList pairs;
  int64_t fields, width;
};

struct FieldWeightedBackward {
  View dx;  // may be null
  View dout, x;
  const float* weight;  // [P]
  float* sums;          // [P, lanes]: dr of the range's rows is the sum over the lanes; null: not wanted
  int64_t fields, width;
};

// Rows [range.begin, range.end) of the batch.
struct FieldWeightedPairKernels {
  void (*forward)(const FieldWeightedForward&, Range);
  void (*backward)(const FieldWeightedBackward&, Range);
  // to[p] = sums[0][p] + sums[1][p] + ... of `count` ranges, `stride` floats apart.
  void (*add_sums)(const float* sums, int64_t count, int64_t stride, float* to, int64_t pairs);
  int64_t lanes;
  double ns;  // per pair and element, about
};

extern const FieldWeightedPairKernels field_weighted_pair_scalar, field_weighted_pair_avx2, field_weighted_pair_avx512;

}  // namespace dlrm
