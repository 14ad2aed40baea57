// Sorts the lookups of one table by row, keeping their order within a row: counting sorts of the row number's digits,
// least significant first. Each pass is cut into slices of the lookups that count and scatter independently, so that
// one giant table feeds all threads, whatever its rows are. All memory is the caller's.
//   key   row << 32 | source, source = number of the bag or of the lookup
#pragma once
#include <cstddef>
#include <cstdint>

namespace dlrm {

struct LookupSort {
  const int32_t *offsets = nullptr, *indices = nullptr;
  int64_t batch = 0, lookups = 0;
  bool by_bag = true;         // source is the bag, else the lookup
  int32_t* bag_of = nullptr;  // null, or [lookups]: the bag of each lookup, to be written

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
