#include "ops/embedding_update/lookup_sort.h"

#include <algorithm>
#include <cstring>

#include "base/view.h"

namespace dlrm {
namespace {

constexpr int64_t kSliceLookups = 1 << 14;
// Counters of a digit cost about as much as the lookups they sort, and stay in the first-level cache.
constexpr int kMinDigitBits = 6, kMaxDigitBits = 11;

int bit_width(int64_t n) {
  int bits = 0;
  for (; n > 0; n >>= 1) ++bits;
  return bits;
}

}  // namespace

void LookupSort::plan(int64_t rows) {
  const int row_bits = bit_width(rows - 1);
  const int most = std::min(kMaxDigitBits, std::max(kMinDigitBits, bit_width(lookups)));
  passes = std::max(1, (row_bits + most - 1) / most);
  digit_bits = (row_bits + passes - 1) / passes;
  slices = (lookups + kSliceLookups - 1) / kSliceLookups;
}

void LookupSort::count(int pass, int64_t slice) const {
  const Range range = chunk_range(lookups, slices, slice);
  uint32_t* counts = this->counts + slice * buckets();
  std::memset(counts, 0, static_cast<size_t>(buckets()) * sizeof(uint32_t));
  const uint32_t mask = static_cast<uint32_t>(buckets() - 1);
  if (pass == 0) {
    each_column(columns, column_count, range, [&](const UpdateColumn& column, Range part) {
      for (int64_t i = part.begin; i < part.end; ++i) ++counts[static_cast<uint32_t>(column.indices[i]) & mask];
    });
  } else {
    const uint64_t* from = keys[(pass - 1) & 1];
    const int shift = 32 + pass * digit_bits;
    for (int64_t i = range.begin; i < range.end; ++i) ++counts[static_cast<uint32_t>(from[i] >> shift) & mask];
  }
}

// Turns counts into first places: bucket by bucket, within a bucket slice by slice.
void LookupSort::starts() const {
  const int64_t buckets = this->buckets();
  uint32_t next = 0;
  for (int64_t bucket = 0; bucket < buckets; ++bucket) {
    for (int64_t slice = 0; slice < slices; ++slice) {
      uint32_t& place = counts[slice * buckets + bucket];
      const uint32_t count = place;
      place = next;
      next += count;
    }
  }
}

void LookupSort::scatter(int pass, int64_t slice) const {
  const Range range = chunk_range(lookups, slices, slice);
  uint32_t* places = counts + slice * buckets();
  const uint32_t mask = static_cast<uint32_t>(buckets() - 1);
  uint64_t* to = keys[pass & 1];
  if (pass > 0) {
    const uint64_t* from = keys[(pass - 1) & 1];
    const int shift = 32 + pass * digit_bits;
    for (int64_t i = range.begin; i < range.end; ++i)
      to[places[static_cast<uint32_t>(from[i] >> shift) & mask]++] = from[i];
    return;
  }
  each_column(columns, column_count, range, [&](const UpdateColumn& column, Range part) {
    const int32_t* offsets = column.offsets;
    int64_t bag = column.bag_of(part.begin, batch);
    for (int64_t i = part.begin; i < part.end; ++i) {
      while (i >= offsets[bag + 1]) ++bag;
      if (sources) sources[column.first + i] = source_of(column, bag, i);
      const uint32_t row = static_cast<uint32_t>(column.indices[i]);
      const int64_t source = sources ? column.first + i : column.gradient_of(bag, i);
      to[places[row & mask]++] = static_cast<uint64_t>(row) << 32 | static_cast<uint32_t>(source);
    }
  });
}

void LookupSort::run() const {
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t slice = 0; slice < slices; ++slice) count(pass, slice);
    starts();
    for (int64_t slice = 0; slice < slices; ++slice) scatter(pass, slice);
  }
}

}  // namespace dlrm
