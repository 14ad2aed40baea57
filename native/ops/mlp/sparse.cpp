#include "ops/mlp/sparse.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace dlrm {
namespace {

constexpr int64_t kGroup = MlpSparse::kGroup, kWidest = 65000;

int64_t groups_of(int64_t outputs) { return (outputs + kGroup - 1) / kGroup; }

// Where the arrays of a MlpSparse begin, in words of 4 bytes; those of fixed length come first.
struct Layout {
  int64_t group_outputs, group_weights, group_inputs, end;
  Layout(int64_t groups, int64_t steps)
      : group_outputs(groups + 1),
        group_weights(group_outputs + groups * kGroup),
        group_inputs(group_weights + steps * kGroup),
        end(group_inputs + steps * kGroup / 2) {}
};

template <class T>
T* at(float* memory, int64_t word) {
  return reinterpret_cast<T*>(memory + word);
}

// The outputs with most weights first: those of one group have about as many.
std::vector<int32_t> by_count(const std::vector<int64_t>& counts) {
  std::vector<int32_t> order(counts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto more = [&counts](int32_t a, int32_t b) { return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)]; };
  std::stable_sort(order.begin(), order.end(), more);
  return order;
}

void fill_groups(const View& weight, const std::vector<int32_t>& order, const int32_t* starts, float* weights, uint16_t* inputs) {
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t lane = static_cast<int64_t>(i) % kGroup;
    int64_t step = starts[i / kGroup];
    const int64_t end = starts[i / kGroup + 1];
    for (int64_t k = 0; order[i] < weight.rows && k < weight.cols; ++k) {
      const float w = weight.row(order[i])[k];
      if (w == 0) continue;
      weights[step * kGroup + lane] = w;
      inputs[step++ * kGroup + lane] = static_cast<uint16_t>(k);
    }
    for (; step < end; ++step) {
      weights[step * kGroup + lane] = 0;
      inputs[step * kGroup + lane] = 0;
    }
  }
}

}  // namespace

bool few_nonzero(const View& weight, int64_t limit) {
  int64_t count = 0;
  for (int64_t n = 0; n < weight.rows && count <= limit; ++n) {
    const float* row = weight.row(n);
    int32_t here = 0;
    for (int64_t k = 0; k < weight.cols; ++k) here += row[k] != 0;
    count += here;
  }
  return count <= limit;
}

bool compress(const View& weight, float* memory, int64_t capacity) {
  const int64_t inputs = weight.cols, outputs = weight.rows, groups = groups_of(outputs);
  if (inputs > kWidest || outputs > kWidest) return false;
  std::vector<int64_t> counts(static_cast<size_t>(groups * kGroup));
  for (int64_t n = 0; n < outputs; ++n)
    for (int64_t k = 0; k < inputs; ++k) {
      if (!std::isfinite(weight.row(n)[k])) return false;  // times an input of 0 it is not 0
      counts[static_cast<size_t>(n)] += weight.row(n)[k] != 0;
    }
  const std::vector<int32_t> order = by_count(counts);
  const auto longest = [&](int64_t g) { return counts[static_cast<size_t>(order[static_cast<size_t>(g * kGroup)])]; };
  int64_t steps = 0;
  for (int64_t g = 0; g < groups; ++g) steps += longest(g);
  const Layout layout(groups, steps);
  if (layout.end > capacity) return false;
  auto* starts = at<int32_t>(memory, 0);
  starts[0] = 0;
  for (int64_t g = 0; g < groups; ++g) starts[g + 1] = starts[g] + static_cast<int32_t>(longest(g));
  std::copy(order.begin(), order.end(), at<int32_t>(memory, layout.group_outputs));
  fill_groups(weight, order, starts, memory + layout.group_weights, at<uint16_t>(memory, layout.group_inputs));
  return true;
}

MlpSparse compressed(int64_t inputs, int64_t outputs, const float* memory) {
  MlpSparse a{};
  a.inputs = inputs;
  a.outputs = outputs;
  a.groups = groups_of(outputs);
  a.group_starts = reinterpret_cast<const int32_t*>(memory);
  const Layout layout(a.groups, a.group_starts[a.groups]);
  a.group_outputs = reinterpret_cast<const int32_t*>(memory + layout.group_outputs);
  a.group_weights = memory + layout.group_weights;
  a.group_inputs = reinterpret_cast<const uint16_t*>(memory + layout.group_inputs);
  return a;
}

}  // namespace dlrm
