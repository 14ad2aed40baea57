#include "ops/mlp/sparse.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace dlrm {
namespace {

constexpr int64_t kGroup = MlpSparse::kGroup, kTogether = MlpSparse::kTogether, kWidest = 65000;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t groups_of(int64_t outputs) { return ceil_div(outputs, kGroup); }
// Fewer outputs would leave most lanes of a bundle empty.
int64_t bundles_of(int64_t outputs, int64_t lanes) { return lanes && outputs >= 2 * lanes ? ceil_div(outputs, kTogether * lanes) : 0; }

// Where the arrays of a MlpSparse begin, in words of 4 bytes; those of fixed length come first.
struct Layout {
  int64_t group_outputs, bundle_starts, bundle_outputs, group_weights, bundle_weights, bundle_picks, group_inputs, windows, end;
  Layout(int64_t outputs, int64_t lanes, int64_t steps, int64_t bundle_steps) {
    const int64_t groups = groups_of(outputs), bundles = bundles_of(outputs, lanes);
    group_outputs = groups + 1;
    bundle_starts = group_outputs + groups * kGroup;
    bundle_outputs = bundle_starts + bundles + 1;
    group_weights = bundle_outputs + bundles * kTogether * lanes;
    bundle_weights = group_weights + steps * kGroup;
    bundle_picks = bundle_weights + bundle_steps * kTogether * lanes;
    group_inputs = bundle_picks + bundle_steps * kTogether * lanes / 4;
    windows = group_inputs + steps * kGroup / 2;
    end = windows + bundle_steps * kTogether / 2;
  }
};

template <class T>
T* at(float* memory, int64_t word) {
  return reinterpret_cast<T*>(memory + word);
}
template <class T>
const T* at(const float* memory, int64_t word) {
  return reinterpret_cast<const T*>(memory + word);
}

// The weights of every output.
struct Lists {
  std::vector<std::vector<uint16_t>> inputs;  // ascending
  std::vector<int32_t> order;                 // outputs, those with most weights first
  bool finite = true;

  explicit Lists(const View& weight) : inputs(static_cast<size_t>(weight.rows)), order(inputs.size()) {
    for (int64_t n = 0; n < weight.rows; ++n)
      for (int64_t k = 0; k < weight.cols; ++k) {
        const float w = weight.row(n)[k];
        finite &= std::isfinite(w);
        if (w != 0) inputs[static_cast<size_t>(n)].push_back(static_cast<uint16_t>(k));
      }
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [this](int32_t a, int32_t b) {
      return inputs[static_cast<size_t>(a)].size() > inputs[static_cast<size_t>(b)].size();
    });
  }

  // The output in place `slot` of the order, or a number behind the last output.
  int32_t output(int64_t slot) const {
    return slot < static_cast<int64_t>(order.size()) ? order[static_cast<size_t>(slot)] : static_cast<int32_t>(slot);
  }
  // Its inputs; none if it is no output.
  const std::vector<uint16_t>& of(int64_t slot) const {
    static const std::vector<uint16_t> none;
    return slot < static_cast<int64_t>(order.size()) ? inputs[static_cast<size_t>(output(slot))] : none;
  }
};

// Steps of `lanes` outputs from place `slot` on; take(step, window, lane, input) for each weight.
template <class F>
int64_t walk(const Lists& lists, int64_t slot, int64_t lanes, F&& take) {
  size_t next[MlpSparse::kMostLanes] = {};
  for (int64_t step = 0;; ++step) {
    int64_t window = INT64_MAX;
    for (int64_t l = 0; l < lanes; ++l)
      if (const auto& inputs = lists.of(slot + l); next[l] < inputs.size()) window = std::min<int64_t>(window, inputs[next[l]]);
    if (window == INT64_MAX) return step;
    for (int64_t l = 0; l < lanes; ++l) {
      const auto& inputs = lists.of(slot + l);
      if (next[l] < inputs.size() && inputs[next[l]] < window + lanes) take(step, window, l, inputs[next[l]++]);
    }
  }
}

// Each array starts with its zeros: places without a weight.
void fill_groups(const View& weight, const Lists& lists, const int32_t* starts, float* weights, uint16_t* inputs) {
  const int64_t groups = groups_of(weight.rows);
  std::fill_n(weights, starts[groups] * kGroup, 0.0f);
  std::fill_n(inputs, starts[groups] * kGroup, uint16_t{0});
  for (int64_t slot = 0; slot < weight.rows; ++slot) {
    int64_t to = starts[slot / kGroup] * kGroup + slot % kGroup;
    for (const uint16_t k : lists.of(slot)) {
      weights[to] = weight.row(lists.output(slot))[k];
      inputs[to] = k;
      to += kGroup;
    }
  }
}

void fill_bundles(const View& weight, const Lists& lists, int64_t lanes, const MlpSparse& a, float* weights, uint8_t* picks,
                  uint16_t* windows) {
  const int64_t steps = a.bundle_starts[a.bundles], bundle = kTogether * lanes;
  std::fill_n(weights, steps * bundle, 0.0f);
  std::fill_n(picks, steps * bundle, uint8_t{0});
  std::fill_n(windows, steps * kTogether, uint16_t{0});
  for (int64_t i = 0; i < a.bundles * kTogether; ++i)
    walk(lists, i * lanes, lanes, [&](int64_t step, int64_t window, int64_t lane, int64_t input) {
      const int64_t to = (a.bundle_starts[i / kTogether] + step) * kTogether + i % kTogether;
      weights[to * lanes + lane] = weight.row(lists.output(i * lanes + lane))[input];
      picks[to * lanes + lane] = static_cast<uint8_t>(input - window);
      windows[to] = static_cast<uint16_t>(window);
    });
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

bool compress(const View& weight, int64_t lanes, float* memory, int64_t capacity) {
  const int64_t inputs = weight.cols, outputs = weight.rows, groups = groups_of(outputs), bundles = bundles_of(outputs, lanes);
  if (inputs > kWidest || outputs > kWidest || Layout(outputs, lanes, 0, 0).end > capacity) return false;
  const Lists lists(weight);
  if (!lists.finite) return false;  // times an input of 0 it would not be 0
  const Layout fixed(outputs, lanes, 0, 0);
  auto* group_starts = at<int32_t>(memory, 0);
  group_starts[0] = 0;
  for (int64_t g = 0; g < groups; ++g) group_starts[g + 1] = group_starts[g] + static_cast<int32_t>(lists.of(g * kGroup).size());
  auto* bundle_starts = at<int32_t>(memory, fixed.bundle_starts);
  bundle_starts[0] = 0;
  for (int64_t b = 0; b < bundles; ++b) {
    int64_t longest = 0;
    for (int64_t i = b * kTogether; i < (b + 1) * kTogether; ++i)
      longest = std::max(longest, walk(lists, i * lanes, lanes, [](int64_t, int64_t, int64_t, int64_t) {}));
    bundle_starts[b + 1] = bundle_starts[b] + static_cast<int32_t>(longest);
  }
  const Layout layout(outputs, lanes, group_starts[groups], bundle_starts[bundles]);
  if (layout.end > capacity) return false;
  for (int64_t i = 0; i < groups * kGroup; ++i) at<int32_t>(memory, layout.group_outputs)[i] = lists.output(i);
  for (int64_t i = 0; i < bundles * kTogether * lanes; ++i) at<int32_t>(memory, layout.bundle_outputs)[i] = lists.output(i);
  fill_groups(weight, lists, group_starts, memory + layout.group_weights, at<uint16_t>(memory, layout.group_inputs));
  fill_bundles(weight, lists, lanes, compressed(inputs, outputs, lanes, memory), memory + layout.bundle_weights,
               at<uint8_t>(memory, layout.bundle_picks), at<uint16_t>(memory, layout.windows));
  return true;
}

MlpSparse compressed(int64_t inputs, int64_t outputs, int64_t lanes, const float* memory) {
  MlpSparse a{};
  a.inputs = inputs;
  a.outputs = outputs;
  a.groups = groups_of(outputs);
  a.bundles = bundles_of(outputs, lanes);
  a.group_starts = at<int32_t>(memory, 0);
  a.bundle_starts = at<int32_t>(memory, Layout(outputs, lanes, 0, 0).bundle_starts);
  const Layout layout(outputs, lanes, a.group_starts[a.groups], a.bundle_starts[a.bundles]);
  a.group_outputs = at<int32_t>(memory, layout.group_outputs);
  a.group_weights = memory + layout.group_weights;
  a.group_inputs = at<uint16_t>(memory, layout.group_inputs);
  a.bundle_outputs = at<int32_t>(memory, layout.bundle_outputs);
  a.bundle_weights = memory + layout.bundle_weights;
  a.bundle_picks = at<uint8_t>(memory, layout.bundle_picks);
  a.windows = at<uint16_t>(memory, layout.windows);
  return a;
}

}  // namespace dlrm
