// Columns of indices computed from the columns of a batch, once per batch. Every rule here is part of the file format: a saved
// model's rows mean what these rules say.
//   cross      all pairs (a, b) of a bag of column from[0] and a bag of column from[1], a's in the outer loop; their weights
//              multiply. With rows >= R_a R_b the index is a R_b + b, else cross_hash(a, b) mapped to [0, rows).
//   bucket     one index per example: the number of boundaries <= x, x = dense feature from[0]. n ascending boundaries make
//              n + 1 buckets, half open: [b_{i-1}, b_i) is bucket i (numpy.digitize, torch.bucketize(right=True)).
//   quotient   index / divisor of column from[0]
//   remainder  index % divisor of column from[0]; bags and weights are those of from[0] in both
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/pool.h"

namespace dlrm {

struct DerivedColumn {
  enum Kind { cross, bucket, quotient, remainder } kind;
  std::vector<int64_t> from = {};       // columns, raw or derived before this one; of a bucket the dense feature
  int64_t rows = 0;                     // R: indices are in [0, rows)
  std::vector<float> boundaries = {};   // of a bucket
  int64_t divisor = 0;                  // of a quotient or remainder
};

struct InputSpec;

// Throws ERR_ARGUMENT or ERR_SHAPE unless every derived column can be computed from what is before it.
void check_derived(const InputSpec& inputs);

// The 64-bit finaliser of MurmurHash3 (Appleby) of a 2^32 + b, both in [0, 2^31).
inline uint64_t cross_hash(int32_t a, int32_t b) {
  uint64_t h = static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
  h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 33;
}

// [0, rows), evenly: the upper half of the hash as a fraction of 2^32.
inline int32_t hash_to_row(uint64_t hash, int64_t rows) {
  return static_cast<int32_t>((hash >> 32) * static_cast<uint64_t>(rows) >> 32);
}

}  // namespace dlrm
