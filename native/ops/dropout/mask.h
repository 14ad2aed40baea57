// Which elements of a matrix [B,N] dropout keeps in one step: a bit each, row by row, bit k%8 of byte k/8 of the row. They
// are a pure function of the generator's key, the node's name, the step, the row and the column: the same for any number of
// threads and every instruction set.
//   16 of the random bits decide on one element, so that one Philox block serves eight. Columns go in groups of 64:
//   (b, k) has half-word h = (k%64)/8 of block  b * 8 * groups + 8 * (k/64) + k%8
#pragma once
#include <string>

#include "ops/op.h"

namespace dlrm {

struct DropoutMask {
  uint64_t key = 0, step = 0;
  uint32_t drop_below = 0;  // an element is dropped if its 16 bits are below
  float scale = 1;          // of what is kept: 1 / (1 - rate)
  View bits;                // i32 [B, 2 * groups + 1]; null data: nothing is dropped

  uint8_t* row(int64_t b) const { return reinterpret_cast<uint8_t*>(bits.i32() + b * bits.stride); }
};

inline int64_t dropout_groups(int64_t cols) { return (cols + 63) / 64; }

// The option of an op that drops, and what it needs to save.
class DropoutOption {
 public:
  // Throws ERR_ARGUMENT unless 0 <= rate < 1; absent: 0.
  DropoutOption(const MakeArgs& args, const char* attr);
  bool drops() const { return rate_ > 0; }
  // A word more than the bits, so that four bytes may be read from any of theirs.
  static ValueSpec saved(int64_t cols) { return {kPerExample, 2 * dropout_groups(cols) + 1, 0, DType::i32}; }
  // Of this step; nothing is dropped when not training.
  DropoutMask mask(const Run& run, const View& bits) const;

 private:
  double rate_;
  uint64_t node_;
};

// Writes the bits of one row. The vectors' own is mask.inl.
void dropout_row_bits(const DropoutMask& mask, int64_t row, int64_t cols);
inline bool dropout_keeps(const DropoutMask& mask, int64_t row, int64_t k) { return mask.row(row)[k / 8] >> k % 8 & 1; }

}  // namespace dlrm
