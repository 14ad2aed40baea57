// Sorts the lookups of one table by row, keeping their order within a row: counting sorts of the row number's digits,
// least significant first. Each pass is cut into slices of the lookups that count and scatter independently, so that
// one giant table feeds all threads, whatever its rows are. All memory is the caller's.
//   lookups   of all columns of the table, column after column
//   key       row << 32 | source; source: where dout has the lookup's gradient, or, with sources, the lookup's number
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/target.h"
#include "ops/embedding_bag/embedding_bag.h"

namespace dlrm {

// The lookups of one column, and where their gradients are.
struct UpdateColumn {
  const int32_t *offsets, *indices;
  const float* weights;  // [L] or null
  int64_t lookups, first;  // L; number of its first lookup among the table's
  Pooling pooling;
  bool per_lookup;       // every lookup has a gradient of its own, else every bag
  int64_t gradient, gradient_stride;    // floats from dout to that of the first, and from each to the next
  int64_t positions, positions_stride;  // max: the same of the positions

  // The bag of lookup i.
  int64_t bag_of(int64_t i, int64_t batch) const {
    int64_t low = 0, high = batch;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (offsets[middle] <= i ? low : high) = middle;
    }
    return low;
  }
  DLRM_HOST_DEVICE int64_t gradient_of(int64_t bag, int64_t i) const { return gradient + (per_lookup ? i : bag) * gradient_stride; }
  // The factor s_i of lookup i of a sum or mean; learned row weights aside.
  DLRM_HOST_DEVICE float scale_of(int64_t bag, int64_t i) const {
    if (pooling == Pooling::mean) return 1.0f / static_cast<float>(offsets[bag + 1] - offsets[bag]);
    return weights ? weights[i] : 1.0f;
  }
};

// fn(column, range): the parts of the columns that `range` of the table's lookups consists of.
template <class F>
inline void each_column(const UpdateColumn* columns, int64_t count, Range range, F&& fn) {
  for (int64_t c = 0; c < count; ++c) {
    const int64_t begin = range.begin - columns[c].first, end = range.end - columns[c].first;
    const Range part = {begin > 0 ? begin : 0, end < columns[c].lookups ? end : columns[c].lookups};
    if (part.begin < part.end) fn(columns[c], part);
  }
}

// What the keys lead to where a lookup needs more than a place in dout.
struct alignas(16) LookupSource {
  uint32_t gradient, positions;  // floats from dout, integers from the positions
  float scale;
  int32_t lookup;  // max: number of the lookup in its column, the one the positions use; else -1
};

DLRM_HOST_DEVICE inline LookupSource source_of(const UpdateColumn& column, int64_t bag, int64_t i) {
  LookupSource source{static_cast<uint32_t>(column.gradient_of(bag, i)), 0, 1, -1};
  if (column.pooling == Pooling::max) {
    source.positions = static_cast<uint32_t>(column.positions + bag * column.positions_stride);
    source.lookup = static_cast<int32_t>(i);
  } else {
    source.scale = column.scale_of(bag, i);
  }
  return source;
}

struct LookupSort {
  const UpdateColumn* columns = nullptr;
  int64_t column_count = 0, batch = 0;
  int64_t lookups = 0;              // of all columns
  LookupSource* sources = nullptr;  // null, or [lookups], to be written

  int digit_bits = 0, passes = 0;
  int64_t slices = 0;
  uint64_t* keys[2] = {};      // [lookups] each
  uint32_t* counts = nullptr;  // [slices][1 << digit_bits]

  // Chooses digits and slices for `rows` rows and these lookups.
  void plan(int64_t rows);
  int64_t buckets() const { return int64_t{1} << digit_bits; }
  uint64_t* sorted() const { return keys[(passes - 1) & 1]; }

  // One pass: count() of every slice, then starts(), then scatter() of every slice.
  void count(int pass, int64_t slice) const;
  void starts() const;
  void scatter(int pass, int64_t slice) const;
  // All passes.
  void run() const;
};

}  // namespace dlrm
