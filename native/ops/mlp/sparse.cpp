#include "ops/mlp/sparse.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace dlrm {
namespace {

constexpr int64_t kGroup = MlpSparse::kGroup, kTogether = MlpSparse::kTogether, kWidest = 65000;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t groups_of(int64_t outputs) { return ceil_div(outputs, kGroup); }
bool has_columns(int64_t outputs) { return outputs >= MlpSparse::kFewOutputs; }

// Where the arrays of a MlpSparse begin, in words of 4 bytes; those of fixed length come first.
struct Layout {
  int64_t group_outputs, column_starts, group_weights, column_weights, group_inputs, column_outputs, end;
  Layout(int64_t inputs, int64_t outputs, int64_t steps, int64_t entries) {
    const int64_t groups = groups_of(outputs);
    group_outputs = groups + 1;
    column_starts = group_outputs + groups * kGroup;
    group_weights = column_starts + (has_columns(outputs) ? inputs + 1 : 0);
    column_weights = group_weights + steps * kGroup;
    group_inputs = column_weights + entries;
    column_outputs = group_inputs + steps * kGroup / 2;
    end = column_outputs + entries / 2;
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

// The arrays start with their zeros: places without a weight.
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

// Of every input, how many outputs weigh it.
std::vector<int32_t> column_counts(const Lists& lists, int64_t columns) {
  std::vector<int32_t> counts(static_cast<size_t>(columns));
  for (const auto& inputs : lists.inputs)
    for (const uint16_t k : inputs) ++counts[k];
  return counts;
}

void fill_columns(const View& weight, const Lists& lists, const int32_t* starts, float* weights, uint16_t* outputs) {
  const int64_t entries = starts[weight.cols];
  std::fill_n(weights, entries, 0.0f);
  for (int64_t i = 0; i < entries; ++i) outputs[i] = static_cast<uint16_t>(weight.rows + i % kTogether);
  std::vector<int32_t> next(starts, starts + weight.cols);
  for (int64_t n = 0; n < weight.rows; ++n)
    for (const uint16_t k : lists.inputs[static_cast<size_t>(n)]) {
      weights[next[k]] = weight.row(n)[k];
      outputs[next[k]++] = static_cast<uint16_t>(n);
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
  const Layout fixed(inputs, outputs, 0, 0);
  if (inputs > kWidest || outputs > kWidest || fixed.end > capacity) return false;
  const Lists lists(weight);
  if (!lists.finite) return false;  // times an input of 0 it would not be 0
  auto *group_starts = at<int32_t>(memory, 0), *column_starts = at<int32_t>(memory, fixed.column_starts);
  group_starts[0] = column_starts[0] = 0;
  for (int64_t g = 0; g < groups; ++g) group_starts[g + 1] = group_starts[g] + static_cast<int32_t>(lists.of(g * kGroup).size());
  int64_t entries = 0;
  if (has_columns(outputs))
    for (const int32_t count : column_counts(lists, inputs)) {
      entries += ceil_div(count, kTogether) * kTogether;
      *++column_starts = static_cast<int32_t>(entries);
    }
  const Layout layout(inputs, outputs, group_starts[groups], entries);
  if (layout.end > capacity) return false;
  for (int64_t i = 0; i < groups * kGroup; ++i) at<int32_t>(memory, layout.group_outputs)[i] = lists.output(i);
  fill_groups(weight, lists, group_starts, memory + layout.group_weights, at<uint16_t>(memory, layout.group_inputs));
  if (has_columns(outputs))
    fill_columns(weight, lists, at<int32_t>(memory, fixed.column_starts), memory + layout.column_weights,
                 at<uint16_t>(memory, layout.column_outputs));
  return true;
}

MlpSparse compressed(int64_t inputs, int64_t outputs, const float* memory) {
  MlpSparse a{};
  a.inputs = inputs;
  a.outputs = outputs;
  a.groups = groups_of(outputs);
  a.has_columns = has_columns(outputs);
  a.group_starts = at<int32_t>(memory, 0);
  a.column_starts = at<int32_t>(memory, Layout(inputs, outputs, 0, 0).column_starts);
  const Layout layout(inputs, outputs, a.group_starts[a.groups], a.has_columns ? a.column_starts[inputs] : 0);
  a.group_outputs = at<int32_t>(memory, layout.group_outputs);
  a.group_weights = memory + layout.group_weights;
  a.group_inputs = at<uint16_t>(memory, layout.group_inputs);
  a.column_weights = memory + layout.column_weights;
  a.column_outputs = at<uint16_t>(memory, layout.column_outputs);
  return a;
}

}  // namespace dlrm
