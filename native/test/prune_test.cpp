// Magnitude pruning, and the compressed layers that it leads to.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "exec/prune.h"
#include "ops/mlp/sparse.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

View view_of(std::vector<float>& values, int64_t cols = 1) {
  return {values.data(), DType::f32, static_cast<int64_t>(values.size()) / cols, cols, cols};
}

std::vector<float> random(size_t n, uint64_t key) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = uniform01(Philox{key}(i / 4).v[i % 4]) - 0.5f;
  return values;
}

TEST(prune_takes_the_least_of_all_tensors_together) {
  std::vector<float> a = {3, -1, 0.5f, 0}, b = {-2, 0.25f, -1, 1};
  prune({view_of(a), view_of(b)}, 4, nullptr);
  expect(a == std::vector<float>{3, 0, 0, 0}, "the first of three equal ones goes, and zeros count");
  expect(b == std::vector<float>{-2, 0, -1, 1}, "second tensor");
}

TEST(prune_edges) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> a = {nan, 1, -inf, 1e-42f};
  prune({view_of(a)}, 0, nullptr);
  expect(a[3] == 1e-42f, "none asked for");
  prune({view_of(a)}, 1, nullptr);
  expect(a[1] == 1 && a[3] == 0, "a denormal is a number like others");
  prune({view_of(a)}, 4, nullptr);
  expect(std::isnan(a[0]) && a[1] == 0 && a[2] == 0, "all but NaN");
  prune({}, 3, nullptr);
}

TEST(prune_agrees_with_sorting_on_any_number_of_threads) {
  for (const int64_t count : {1LL, 777LL, 90000LL, 199999LL, 200001LL}) {
    const std::vector<float> first = random(150000, 1), second = random(50001, 2);
    std::vector<float> magnitudes;
    for (const auto* values : {&first, &second})
      for (const float x : *values) magnitudes.push_back(std::fabs(x));
    std::sort(magnitudes.begin(), magnitudes.end());
    std::vector<float> serial;
    for (const int threads : {1, 2, 8}) {
      Pool pool(threads);
      pool.serial_below_ns = 0;
      std::vector<float> a = first, b = second;
      prune({view_of(a), view_of(b)}, count, &pool);
      expect(count_zeros(view_of(a)) + count_zeros(view_of(b)) >= count, "%lld: too few", static_cast<long long>(count));
      for (size_t i = 0; i < a.size(); ++i)
        expect(a[i] == first[i] || (a[i] == 0 && std::fabs(first[i]) <= magnitudes[static_cast<size_t>(count - 1)]), "[%zu]", i);
      if (serial.empty()) serial = a;
      expect(a == serial, "%d threads", threads);
    }
  }
}

TEST(compress_keeps_what_is_not_zero) {
  std::vector<float> weight = random(13 * 50, 3), memory(13 * 50);
  for (size_t i = 0; i < weight.size(); ++i)
    if (i % 5) weight[i] = 0;
  const View view = view_of(weight, 50);
  expect(few_nonzero(view, 130) && !few_nonzero(view, 129), "130 of 650");
  expect(compress(view, memory.data(), 650), "fits");
  const MlpSparse a = compressed(50, 13, memory.data());
  std::vector<float> found(weight.size());
  for (int64_t g = 0; g < a.groups; ++g)
    for (int64_t s = a.group_starts[g] * 4; s < a.group_starts[g + 1] * 4; ++s)
      if (a.group_weights[s] != 0) found[static_cast<size_t>(a.group_outputs[g * 4 + s % 4] * 50 + a.group_inputs[s])] += a.group_weights[s];
  expect(found == weight, "other weights");
}

TEST(compress_lists_the_outputs_of_every_input) {
  std::vector<float> weight = random(45 * 60, 4), memory(45 * 60);
  for (size_t i = 0; i < weight.size(); ++i)
    if (i % 7 || i % 60 == 14) weight[i] = 0;
  expect(compress(view_of(weight, 60), memory.data(), 2700), "fits");
  const MlpSparse a = compressed(60, 45, memory.data());
  expect(a.has_columns, "columns");
  std::vector<float> found(weight.size());
  for (int64_t k = 0; k < 60; ++k) {
    const int32_t begin = a.column_starts[k], end = a.column_starts[k + 1];
    expect(begin % MlpSparse::kTogether == 0 && (k != 14 || begin == end), "column %d", static_cast<int>(k));
    for (int32_t i = begin; i < end; ++i) {
      const int64_t n = a.column_outputs[i];
      expect(n < 45 ? a.column_weights[i] != 0 : n < 45 + MlpSparse::kTogether && a.column_weights[i] == 0, "entry %d", i);
      if (n < 45) found[static_cast<size_t>(n * 60 + k)] += a.column_weights[i];
    }
  }
  expect(found == weight, "other weights");
  std::vector<float> few(7 * 60);
  expect(compress(view_of(few, 60), memory.data(), 420) && !compressed(60, 7, memory.data()).has_columns, "few outputs");
}

TEST(compress_refuses) {
  std::vector<float> weight(40 * 40), memory(1600);
  expect(compress(view_of(weight, 40), memory.data(), 1600), "all zero");
  expect(!compress(view_of(weight, 40), memory.data(), 90), "no room");
  weight[7] = std::numeric_limits<float>::infinity();
  expect(!compress(view_of(weight, 40), memory.data(), 1600), "infinite weight");
  std::vector<float> wide(70000);
  expect(!compress(view_of(wide, 70000), wide.data(), 70000), "too wide");
}

}  // namespace
}  // namespace dlrm::test
