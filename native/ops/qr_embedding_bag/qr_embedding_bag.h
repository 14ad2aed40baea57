// Embedding bags of compositional tables: quotient and remainder of an index look up a small table each (Shi, Mudigere,
// Naumov and Yang 2019, arXiv 1909.02107). For each pair of columns k one part of the output, side by side; one pair:
//   q_i = weight_q[indices_q[i],:], r_i = weight_r[indices_r[i],:], s_i = weights[i] (per-sample), or 1; with mode mean
//   1 / number of lookups of the bag
//   operation mult, add   out[b,:] = sum of s_i (q_i op r_i) over the bag of b: each row is made before the bag is pooled,
//                         as the paper defines it
//   operation concat      out[b,:] = [sum of s_i q_i, sum of s_i r_i], 2E numbers
//   pool_first            with mult: out[b,:] = (sum of s_i q_i) (sum of s_i r_i), what the DLRM reference computes; the
//                         same for bags of one lookup. Changes nothing for add and concat
//   An empty bag gives zeros.
//   weight_q [R_q,E], weight_r [R_r,E] f32; both columns have the same bags: offsets [B+1] and weights are the first one's
//   out      [B, E or 2E] f32, the pair's part
// Backward: dlookup[i,:] of either column's lookup, the gradient of its row, s_i included; embedding_update spends it.
// Options: columns [2K] q and r in turn, rows [2K], width E, mode sum or mean, operation, pool_first (default false).
// Parameters: <name>.<k>.weight_q, <name>.<k>.weight_r, symmetric: uniform in +-a, a such that a composed row has the variance
// of a row of the table that is compressed, uniform in +-sqrt(1/N) with N = R_q R_r: mult (3/N)^1/4, add sqrt(1/(2N)),
// concat sqrt(1/N).
#pragma once
#include "base/isa.h"
#include "base/view.h"

namespace dlrm {

enum class QrOperation { mult, add, concat };

struct QrPair {
  const float *weight_q, *weight_r;
  int64_t q_stride, r_stride, width;
  const int32_t *offsets, *indices_q, *indices_r;
  const float* weights;  // null: 1
  int64_t lookups;       // L
  bool mean, pool_first;
  QrOperation operation;
};

struct QrForward {
  float* out;
  int64_t out_stride;
  QrPair pair;
};

struct QrBackward {
  float *dlookup_q, *dlookup_r;  // [L,E] each
  const float* dout;
  int64_t dout_stride;
  QrPair pair;
};

// Bags [range.begin, range.end) of one pair.
struct QrEmbeddingBagKernels {
  void (*forward)(const QrForward&, Range);
  void (*backward)(const QrBackward&, Range);
};

extern const QrEmbeddingBagKernels qr_embedding_bag_scalar, qr_embedding_bag_avx2, qr_embedding_bag_avx512;

}  // namespace dlrm
