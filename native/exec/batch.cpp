#include "exec/batch.h"

#include <cmath>

#include "base/error.h"

namespace dlrm {
namespace {

constexpr double kCheckNs = 0.3;  // per index or offset

long long ll(int64_t x) { return static_cast<long long>(x); }

void check_finite(const std::vector<float>& values, const char* what) {
  float sum = 0;  // x * 0 is 0 for finite x and NaN otherwise: one pass that vectorises
  for (const float x : values) sum += x * 0.0f;
  if (sum == 0) return;
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) fail(Code::value, "[batch] %s: expected finite numbers, received %g at position %zu", what, values[i], i);
}

void check_weights(const std::vector<float>& weights, int64_t size) {
  if (weights.empty()) return;
  if (static_cast<int64_t>(weights.size()) != size)
    fail(Code::shape, "[batch] weights: expected B = %lld, received %zu", ll(size), weights.size());
  check_finite(weights, "weights");
  for (size_t i = 0; i < weights.size(); ++i)
    if (weights[i] < 0) fail(Code::value, "[batch] weights: expected numbers >= 0, received %g at position %zu", weights[i], i);
}

uint32_t highest(const std::vector<int32_t>& indices) {
  uint32_t highest = 0;  // a negative index is a large unsigned one
  for (const int32_t index : indices) highest = static_cast<uint32_t>(index) > highest ? static_cast<uint32_t>(index) : highest;
  return highest;
}

// What check_table says of most tables, for any thread: it may not throw.
bool fits(const Batch::Table& table, int64_t batch, int64_t rows) {
  const auto& offsets = table.offsets;
  const size_t lookups = table.indices.size();
  if (table.weighted || lookups > INT32_MAX || static_cast<int64_t>(offsets.size()) != batch + 1 || offsets[0] != 0 ||
      offsets.back() != static_cast<int32_t>(lookups))
    return false;
  bool decreases = false;
  for (size_t b = 1; b < offsets.size(); ++b) decreases |= offsets[b] < offsets[b - 1];
  return !decreases && (lookups == 0 || highest(table.indices) < static_cast<uint64_t>(rows));
}

void check_table(const Batch::Table& table, int64_t batch, int64_t rows, const char* name) {
  const auto& offsets = table.offsets;
  const auto lookups = static_cast<int64_t>(table.indices.size());
  if (static_cast<int64_t>(offsets.size()) != batch + 1)
    fail(Code::shape, "[embedding_bag] offsets: table \"%s\": expected B + 1 = %lld or B offsets, received %zu", name, ll(batch + 1), offsets.size());
  if (offsets[0] != 0) fail(Code::offsets, "[embedding_bag] offsets: table \"%s\": the first must be 0, received %d", name, offsets[0]);
  for (int64_t b = 0; b < batch; ++b)
    if (offsets[b + 1] < offsets[b])
      fail(Code::offsets, "[embedding_bag] offsets: table \"%s\": must not decrease, received %d then %d at position %lld", name, offsets[b],
           offsets[b + 1], ll(b + 1));
  if (offsets[batch] != lookups)
    fail(Code::offsets, "[embedding_bag] offsets: table \"%s\": the last must be L = %lld indices, received %d", name, ll(lookups), offsets[batch]);
  if (table.weighted && static_cast<int64_t>(table.weights.size()) != lookups)
    fail(Code::shape, "[embedding_bag] weights: table \"%s\": expected L = %lld, received %zu", name, ll(lookups), table.weights.size());
  if (table.weighted) check_finite(table.weights, "weights");
  if (lookups == 0 || highest(table.indices) < static_cast<uint64_t>(rows)) return;
  for (int64_t i = 0; i < lookups; ++i)
    if (static_cast<uint32_t>(table.indices[i]) >= static_cast<uint64_t>(rows))
      fail(Code::index, "[embedding_bag] indices: table \"%s\" has R = %lld rows, received index %d at position %lld", name, ll(rows),
           table.indices[i], ll(i));
}

}  // namespace

void Batch::check(const InputSpec& inputs, bool need_labels, Pool* pool) const {
  if (static_cast<int64_t>(dense.size()) != size * inputs.dense)
    fail(Code::shape, "[batch] dense: expected B x D = %lld x %lld = %lld numbers, received %zu", ll(size), ll(inputs.dense), ll(size * inputs.dense),
         dense.size());
  if (tables.size() != inputs.rows.size())
    fail(Code::shape, "[batch] tables: expected T = %zu, received %zu", inputs.rows.size(), tables.size());
  if (need_labels && labels.empty() && size > 0) fail(Code::shape, "[batch] labels: needed here, received none");
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != size)
    fail(Code::shape, "[batch] labels: expected B = %lld, received %zu", ll(size), labels.size());
  check_finite(dense, "dense");
  check_finite(labels, "labels");
  check_weights(weights, size);
  int64_t lookups = 0;
  for (const Table& table : tables) lookups += static_cast<int64_t>(table.indices.size() + table.offsets.size());
  std::vector<char> good(tables.size());
  for_chunks(pool, static_cast<int64_t>(tables.size()), kCheckNs * static_cast<double>(lookups), [&](int64_t i) {
    const auto t = static_cast<size_t>(i);
    good[t] = fits(tables[t], size, inputs.rows[t]);
  });
  for (size_t t = 0; t < tables.size(); ++t)
    if (!good[t]) check_table(tables[t], size, inputs.rows[t], inputs.table_names[t].c_str());
}

void Batch::point_at_raw(size_t columns) {
  offsets_.resize(columns);
  indices_.resize(columns);
  weights_.resize(columns);
  counts_.resize(columns);
  bool weighted = false;
  for (size_t t = 0; t < tables.size(); ++t) {
    offsets_[t] = tables[t].offsets.data();
    indices_[t] = tables[t].indices.data();
    weights_[t] = tables[t].weighted ? tables[t].weights.data() : nullptr;
    counts_[t] = static_cast<int64_t>(tables[t].indices.size());
    weighted |= tables[t].weighted;
  }
  bags_ = {static_cast<int64_t>(columns), offsets_.data(), indices_.data(), weighted ? weights_.data() : nullptr,
           counts_.data()};
}

BatchViews Batch::views(int64_t dense_cols) const {
  const auto matrix = [&](const float* data, int64_t cols) { return View{const_cast<float*>(data), DType::f32, size, cols, cols}; };
  return {matrix(dense.data(), dense_cols), matrix(labels.data(), 1), matrix(example_weights(), 1), &bags_};
}

void Batch::seal() { point_at_raw(tables.size()); }

}  // namespace dlrm
