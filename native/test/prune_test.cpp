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
  expect(compress(view, 0, memory.data(), 650), "fits");
  const MlpSparse a = compressed(50, 13, 0, memory.data());
  std::vector<float> found(weight.size());
  for (int64_t g = 0; g < a.groups; ++g)
    for (int64_t s = a.group_starts[g] * 4; s < a.group_starts[g + 1] * 4; ++s)
      if (a.group_weights[s] != 0) found[static_cast<size_t>(a.group_outputs[g * 4 + s % 4] * 50 + a.group_inputs[s])] += a.group_weights[s];
  expect(found == weight, "other weights");
}

TEST(compress_gives_every_lane_its_weights_in_order) {
  for (const int64_t lanes : {8, 16}) {
    std::vector<float> weight = random(45 * 60, 4), memory(45 * 60);
    for (size_t i = 0; i < weight.size(); ++i)
      if (i % 7) weight[i] = 0;
    expect(compress(view_of(weight, 60), lanes, memory.data(), 2700), "fits");
    const MlpSparse a = compressed(60, 45, lanes, memory.data());
    std::vector<float> found(weight.size());
    std::vector<int64_t> last(45, -1);
    for (int64_t b = 0; b < a.bundles; ++b)
      for (int64_t s = a.bundle_starts[b] * 4; s < a.bundle_starts[b + 1] * 4; ++s)
        for (int64_t l = 0; l < lanes; ++l) {
          const float w = a.bundle_weights[s * lanes + l];
          if (w == 0) continue;
          const int64_t n = a.bundle_outputs[b * 4 * lanes + s % 4 * lanes + l], k = a.windows[s] + a.bundle_picks[s * lanes + l];
          expect(k > last[static_cast<size_t>(n)], "output %d out of order", static_cast<int>(n));
          last[static_cast<size_t>(n)] = k;
          found[static_cast<size_t>(n * 60 + k)] = w;
        }
    expect(found == weight, "%d lanes: other weights", static_cast<int>(lanes));
  }
}

TEST(compress_refuses) {
  std::vector<float> weight(40 * 40), memory(1600);
  expect(compress(view_of(weight, 40), 8, memory.data(), 1600), "all zero");
  expect(!compress(view_of(weight, 40), 8, memory.data(), 90), "no room");
  weight[7] = std::numeric_limits<float>::infinity();
  expect(!compress(view_of(weight, 40), 8, memory.data(), 1600), "infinite weight");
  std::vector<float> wide(70000);
  expect(!compress(view_of(wide, 70000), 8, wide.data(), 70000), "too wide");
}

}  // namespace
}  // namespace dlrm::test
