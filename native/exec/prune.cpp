#include "exec/prune.h"

#include <algorithm>
#include <cstring>

#include "base/table_rows.h"

namespace dlrm {
namespace {

// Magnitudes of floats are ordered like their bits without the sign: 31 bits, found digit by digit from the highest.
constexpr int kDigitBits[] = {11, 10, 10};
constexpr int64_t kChunk = 1 << 16;

uint32_t magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffff;
}

// A part of one tensor.
struct Piece {
  float* data;
  int64_t size;
};

std::vector<Piece> pieces_of(const std::vector<View>& tensors) {
  std::vector<Piece> pieces;
  for (const View& tensor : tensors) {
    const int64_t size = tensor.rows * tensor.cols;
    for (int64_t i = 0; i < size; i += kChunk) pieces.push_back({tensor.f32() + i, std::min(kChunk, size - i)});
  }
  return pieces;
}

template <class F>
void for_pieces(const std::vector<Piece>& pieces, Pool* pool, F&& body) {
  const auto n = static_cast<int64_t>(pieces.size());
  for_chunks(pool, n, static_cast<double>(n * kChunk), [&](int64_t i) { body(static_cast<size_t>(i)); });
}

// Numbers whose magnitude begins with `prefix` (its bits from `shift + bits` up), by their next digit.
std::vector<int64_t> histogram(const std::vector<Piece>& pieces, uint32_t prefix, int shift, int bits, Pool* pool) {
  const size_t digits = size_t{1} << bits, parts = std::min<size_t>(pieces.size(), 64);
  std::vector<int64_t> counts(parts * digits);
  for_chunks(pool, static_cast<int64_t>(parts), static_cast<double>(pieces.size()) * kChunk, [&](int64_t part) {
    int64_t* own = counts.data() + static_cast<size_t>(part) * digits;
    const Range range = chunk_range(static_cast<int64_t>(pieces.size()), static_cast<int64_t>(parts), part);
    for (int64_t p = range.begin; p < range.end; ++p)
      for (int64_t i = 0; i < pieces[static_cast<size_t>(p)].size; ++i) {
        const uint32_t m = magnitude(pieces[static_cast<size_t>(p)].data[i]);
        if (uint64_t{m} >> (shift + bits) == prefix) ++own[(m >> shift) & (digits - 1)];
      }
  });
  for (size_t part = 1; part < parts; ++part)
    for (size_t d = 0; d < digits; ++d) counts[d] += counts[part * digits + d];
  counts.resize(digits);
  return counts;
}

}  // namespace

void prune(const std::vector<View>& tensors, int64_t count, Pool* pool) {
  const std::vector<Piece> pieces = pieces_of(tensors);
  if (pieces.empty() || count <= 0) return;
  uint32_t limit = 0;  // the count-th least magnitude, as far as known
  int64_t left = count;  // how many of those that begin with it
  int shift = 31;
  for (const int bits : kDigitBits) {
    shift -= bits;
    const std::vector<int64_t> counts = histogram(pieces, limit, shift, bits, pool);
    uint32_t digit = 0;
    while (digit + 1 < counts.size() && counts[digit] < left) left -= counts[digit++];
    limit = limit << bits | digit;
  }
  constexpr uint32_t kInfinity = 0x7f800000;
  limit = std::min(limit, kInfinity);
  std::vector<int64_t> ties(pieces.size());
  for_pieces(pieces, pool, [&](size_t p) {
    for (int64_t i = 0; i < pieces[p].size; ++i) ties[p] += magnitude(pieces[p].data[i]) == limit;
  });
  for (int64_t& of_piece : ties) {  // from how many it has to how many it loses
    of_piece = std::min(of_piece, left);
    left -= of_piece;
  }
  for_pieces(pieces, pool, [&](size_t p) {
    for (int64_t i = 0; i < pieces[p].size; ++i) {
      float& x = pieces[p].data[i];
      const uint32_t m = magnitude(x);
      if (m < limit || (m == limit && ties[p]-- > 0)) x = 0;
    }
  });
}

int64_t count_zeros(const View& tensor) {
  int64_t zeros = 0;
  std::vector<float> row(static_cast<size_t>(tensor.cols));
  for (int64_t r = 0; r < tensor.rows; ++r) {
    load_row(tensor, r, row.data());
    zeros += std::count(row.begin(), row.end(), 0.0f);
  }
  return zeros;
}

}  // namespace dlrm
