#include "exec/derive.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "exec/batch.h"

namespace dlrm {
namespace {

constexpr int64_t kExamplesPerChunk = 512;
constexpr double kNsPerLookup = 2;

long long ll(int64_t x) { return static_cast<long long>(x); }

void expect_from(const DerivedColumn& column, size_t d, size_t count, int64_t below) {
  if (column.from.size() != count)
    fail(Code::argument, "[graph] derived column %zu: expected %zu in from, received %zu", d, count, column.from.size());
  for (const int64_t from : column.from)
    if (from < 0 || from >= below)
      fail(Code::argument, "[graph] derived column %zu: from: expected less than %lld, received %lld", d, ll(below), ll(from));
}

void expect_rows(const DerivedColumn& column, size_t d, int64_t least) {
  if (column.rows < least || column.rows > INT32_MAX)
    fail(Code::argument, "[graph] derived column %zu: rows: expected %lld to 2^31 - 1, received %lld", d, ll(least), ll(column.rows));
}

void check_bucket(const DerivedColumn& column, size_t d, int64_t dense) {
  expect_from(column, d, 1, dense);
  const std::vector<float>& boundaries = column.boundaries;
  for (size_t i = 0; i < boundaries.size(); ++i)
    if (!std::isfinite(boundaries[i]) || (i > 0 && boundaries[i] <= boundaries[i - 1]))
      fail(Code::argument, "[graph] derived column %zu: boundaries: expected finite ascending float32 numbers, received %g at position %zu", d,
           static_cast<double>(boundaries[i]), i);
  expect_rows(column, d, static_cast<int64_t>(boundaries.size()) + 1);
}

// x / divisor for 32-bit x by one multiplication (Lemire, Kaser and Kurz, "Faster remainder by direct computation", 2019).
class Divider {
 public:
  explicit Divider(int64_t divisor) : divisor_(static_cast<uint64_t>(divisor)), inverse_(UINT64_MAX / divisor_ + 1) {}
  uint32_t quotient(uint32_t x) const {
    return divisor_ == 1 ? x : static_cast<uint32_t>(static_cast<unsigned __int128>(inverse_) * x >> 64);
  }
  uint32_t remainder(uint32_t x) const { return x - quotient(x) * static_cast<uint32_t>(divisor_); }

 private:
  uint64_t divisor_, inverse_;
};

// The number of boundaries <= x. Without branches: on real data each would be guessed wrong half of the time.
int32_t bucket_of(const std::vector<float>& boundaries, float x) {
  const float* base = boundaries.data();
  size_t n = boundaries.size();
  while (n > 1) {
    const size_t half = n / 2;
    base += static_cast<size_t>(base[half - 1] <= x) * half;
    n -= half;
  }
  return static_cast<int32_t>(base - boundaries.data()) + (n == 1 && *base <= x);
}

}  // namespace

void check_derived(const InputSpec& inputs) {
  for (size_t d = 0; d < inputs.derived.size(); ++d) {
    const DerivedColumn& column = inputs.derived[d];
    const auto before = static_cast<int64_t>(inputs.rows.size() + d);
    if (column.kind == DerivedColumn::bucket) {
      check_bucket(column, d, inputs.dense);
      continue;
    }
    expect_from(column, d, column.kind == DerivedColumn::cross ? 2 : 1, before);
    if (column.kind == DerivedColumn::cross) {
      expect_rows(column, d, 1);
      continue;
    }
    if (column.divisor < 1 || column.divisor > INT32_MAX)
      fail(Code::argument, "[graph] derived column %zu: divisor: expected 1 to 2^31 - 1, received %lld", d, ll(column.divisor));
    const int64_t rows = inputs.rows_of(static_cast<size_t>(column.from[0]));
    expect_rows(column, d, column.kind == DerivedColumn::quotient ? (rows - 1) / column.divisor + 1 : std::min(rows, column.divisor));
  }
}

void Batch::derive(const InputSpec& inputs, Pool* pool) {
  if (weights.empty() && static_cast<int64_t>(ones_.size()) < size) ones_.resize(static_cast<size_t>(size), 1.0f);
  point_at_raw(inputs.columns());
  if (inputs.derived.empty()) return;
  for (auto i = static_cast<int32_t>(one_each_.size()); i <= size; ++i) one_each_.push_back(i);
  one_hot_.resize(inputs.columns());
  for (size_t t = 0; t < tables.size(); ++t) one_hot_[t] = is_one_hot(t);
  derived_.resize(inputs.derived.size());
  for (size_t d = 0; d < derived_.size(); ++d) lay_out(inputs, d);
  // Derived columns of an example depend on nothing but this example: chunks of examples, each through all columns.
  int64_t lookups = 0;
  for (size_t d = 0; d < derived_.size(); ++d) lookups += bags_.lookups(static_cast<int64_t>(tables.size() + d));
  const int64_t chunks = (size + kExamplesPerChunk - 1) / kExamplesPerChunk;
  for_chunks(pool, chunks, kNsPerLookup * static_cast<double>(lookups), [&](int64_t i) {
    for (size_t d = 0; d < derived_.size(); ++d) fill(inputs, d, chunk_range(size, chunks, i));
  });
}

bool Batch::is_one_hot(size_t column) const {
  const int32_t* offsets = offsets_[column];
  if (offsets[size] != size) return false;
  int32_t differ = 0;
  for (int64_t b = 0; b < size; ++b) differ |= offsets[b] ^ static_cast<int32_t>(b);
  return differ == 0;
}

// Offsets, and memory for indices and weights. What has the bags of another column shares its arrays.
void Batch::lay_out(const InputSpec& inputs, size_t d) {
  const DerivedColumn& column = inputs.derived[d];
  const size_t at = tables.size() + d;
  Derived& to = derived_[d];
  const auto from = static_cast<size_t>(column.from[0]);
  weights_[at] = nullptr;
  if (column.kind == DerivedColumn::cross) {
    lay_out_cross(from, static_cast<size_t>(column.from[1]), to, at);
  } else if (column.kind == DerivedColumn::bucket) {
    offsets_[at] = one_each_.data();
    one_hot_[at] = true;
  } else {
    offsets_[at] = offsets_[from];
    weights_[at] = weights_[from];
    one_hot_[at] = one_hot_[from];
  }
  counts_[at] = offsets_[at][size];
  to.indices.resize(static_cast<size_t>(counts_[at]));
  indices_[at] = to.indices.data();
}

void Batch::lay_out_cross(size_t a, size_t b, Derived& to, size_t column) {
  one_hot_[column] = one_hot_[a] && one_hot_[b];
  if (one_hot_[column]) {
    offsets_[column] = offsets_[a];
  } else {
    to.offsets.resize(static_cast<size_t>(size) + 1);
    const int32_t *of_a = offsets_[a], *of_b = offsets_[b];
    int64_t sum = 0;
    to.offsets[0] = 0;
    for (int64_t i = 0; i < size; ++i) {
      sum += static_cast<int64_t>(of_a[i + 1] - of_a[i]) * (of_b[i + 1] - of_b[i]);
      if (sum > INT32_MAX) fail(Code::shape, "[batch] derived column %zu: a cross of more than 2^31 - 1 pairs", column - tables.size());
      to.offsets[static_cast<size_t>(i) + 1] = static_cast<int32_t>(sum);
    }
    offsets_[column] = to.offsets.data();
  }
  if (!weights_[a] && !weights_[b]) return;
  to.weights.resize(static_cast<size_t>(offsets_[column][size]));
  weights_[column] = to.weights.data();
}

void Batch::fill(const InputSpec& inputs, size_t d, Range examples) {
  const DerivedColumn& column = inputs.derived[d];
  const size_t at = tables.size() + d;
  int32_t* to = derived_[d].indices.data();
  if (column.kind == DerivedColumn::cross) return fill_cross(inputs, d, examples);
  if (column.kind == DerivedColumn::bucket) {
    const float* x = dense.data() + column.from[0];
    for (int64_t b = examples.begin; b < examples.end; ++b) to[b] = bucket_of(column.boundaries, x[b * inputs.dense]);
    return;
  }
  const int32_t* from = indices_[static_cast<size_t>(column.from[0])];
  const Divider by(column.divisor);
  const int32_t begin = offsets_[at][examples.begin], end = offsets_[at][examples.end];
  if (column.kind == DerivedColumn::quotient)
    for (int32_t i = begin; i < end; ++i) to[i] = static_cast<int32_t>(by.quotient(static_cast<uint32_t>(from[i])));
  else
    for (int32_t i = begin; i < end; ++i) to[i] = static_cast<int32_t>(by.remainder(static_cast<uint32_t>(from[i])));
}

void Batch::fill_cross(const InputSpec& inputs, size_t d, Range examples) {
  const DerivedColumn& column = inputs.derived[d];
  const size_t at = tables.size() + d;
  const auto a = static_cast<size_t>(column.from[0]), b = static_cast<size_t>(column.from[1]);
  const int64_t rows = column.rows, rows_b = inputs.rows_of(b);
  const bool exact = rows / rows_b >= inputs.rows_of(a);
  const auto index = [=](int32_t i, int32_t j) {
    return exact ? static_cast<int32_t>(i * rows_b + j) : hash_to_row(cross_hash(i, j), rows);
  };
  const int32_t *ia = indices_[a], *ib = indices_[b];
  int32_t* to = derived_[d].indices.data();
  if (one_hot_[at] && !weights_[at]) {
    for (int64_t e = examples.begin; e < examples.end; ++e) to[e] = index(ia[e], ib[e]);
    return;
  }
  const float *wa = weights_[a], *wb = weights_[b];
  float* product = weights_[at] ? derived_[d].weights.data() : nullptr;
  for (int64_t e = examples.begin; e < examples.end; ++e) {
    int32_t n = offsets_[at][e];
    for (int32_t i = offsets_[a][e]; i < offsets_[a][e + 1]; ++i)
      for (int32_t j = offsets_[b][e]; j < offsets_[b][e + 1]; ++j, ++n) {
        to[n] = index(ia[i], ib[j]);
        if (product) product[n] = (wa ? wa[i] : 1) * (wb ? wb[j] : 1);
      }
  }
}

}  // namespace dlrm
