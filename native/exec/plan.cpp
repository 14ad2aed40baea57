#include "exec/plan.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/memory.h"
#include "exec/init.h"

namespace dlrm {

size_t assign_offsets(std::vector<Slot>& slots, int64_t batch) {
  std::vector<int> order(slots.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return slots[a].bytes(batch) > slots[b].bytes(batch); });
  std::vector<int> placed;  // by offset
  size_t total = 0;
  for (const int id : order) {
    Slot& slot = slots[id];
    if (slot.parent >= 0) continue;
    size_t offset = 0;
    const size_t bytes = align_up(slot.bytes(batch));
    for (const int other_id : placed) {
      const Slot& other = slots[other_id];
      if (other.last < slot.first || slot.last < other.first) continue;
      if (offset + bytes <= other.offset) break;
      offset = std::max(offset, other.offset + align_up(other.bytes(batch)));
    }
    slot.offset = offset;
    total = std::max(total, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), id, [&](int a, int b) { return slots[a].offset < slots[b].offset; }), id);
  }
  return total;
}

namespace {

// Ticks: node n runs forward at n and backward at 2N - 1 - n; updates run at 2N.
class Planner {
 public:
  Planner(const Graph& graph, Mode mode, Plan& plan) : graph_(graph), mode_(mode), plan_(plan) {}

  void forward() {
    std::vector<int> targets;
    if (mode_ != Mode::train) targets.push_back(graph_.prediction);
    if (mode_ != Mode::predict) targets.push_back(graph_.loss);
    const std::vector<bool> needed = graph_.needed_for(targets);
    find_homes(needed);
    value_slot_.assign(graph_.values.size(), -1);
    plan_.nodes.resize(graph_.nodes.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!needed[n]) continue;
      const Node& node = graph_.nodes[n];
      NodeSlots& slots = plan_.nodes[n];
      if (mode_ != Mode::train && node.op->identity_in_prediction) {
        slots.passes_on = true;
        value_slot_[node.outputs[0]] = value_slot_[node.inputs[0]];
        continue;
      }
      slots.runs = true;
      const int tick = static_cast<int>(n);
      for (const int output : node.outputs) slots.out.push_back(value_slot(output, tick));
      for (const ValueSpec& spec : node.op->saved) slots.saved.push_back(add(spec, tick));
      for (const int input : node.inputs) extend(value_slot_[input], tick);
    }
    for (const int target : targets) extend(value_slot_[target], end());
  }

  void backward() {
    const std::vector<bool> flows = graph_.gradient_flows();
    if (!flows[graph_.loss]) fail(Code::shape, "[graph] no parameter leads to the loss");
    gradient_slot_.assign(graph_.values.size(), -1);
    plan_.loss_gradient = gradient_slot_[graph_.loss] = add(graph_.values[graph_.loss], static_cast<int>(graph_.nodes.size()));
    for (size_t n = graph_.nodes.size(); n-- > 0;)
      if (plan_.nodes[n].runs) backward_node(n, flows);
  }

 private:
  int end() const { return 2 * static_cast<int>(graph_.nodes.size()); }
  int add(const ValueSpec& spec, int tick) {
    plan_.slots.push_back({spec, tick, tick});
    return static_cast<int>(plan_.slots.size()) - 1;
  }
  // The slot and those that it is part of live at this tick too.
  void extend(int slot, int tick) {
    for (; slot >= 0; slot = plan_.slots[slot].parent) {
      plan_.slots[slot].first = std::min(plan_.slots[slot].first, tick);
      plan_.slots[slot].last = std::max(plan_.slots[slot].last, tick);
    }
  }
  int add_columns(const ValueSpec& spec, int parent, int64_t column, int tick) {
    const int slot = add(spec, tick);
    plan_.slots[slot].parent = parent;
    plan_.slots[slot].column = column;
    extend(slot, tick);
    return slot;
  }

  bool may_share(int a, int b) const {
    const ValueSpec &x = graph_.values[a], &y = graph_.values[b];
    return !x.tables && !y.tables && x.rows == y.rows && x.dtype == y.dtype;
  }

  // For each value the one whose columns it is to be: of an input and an output that alias the narrower is part of the wider.
  void find_homes(const std::vector<bool>& needed) {
    home_.assign(graph_.values.size(), {});
    std::vector<bool> produced(graph_.values.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      for (const Alias& alias : node.op->aliases) {
        const int input = node.inputs[static_cast<size_t>(alias.input)], output = node.outputs[static_cast<size_t>(alias.output)];
        if (!needed[n] || !alias.values || !produced[input] || !may_share(input, output)) continue;
        const bool output_is_part = graph_.values[output].cols <= graph_.values[input].cols;
        Home& home = home_[output_is_part ? output : input];
        if (home.value < 0) home = output_is_part ? Home{input, alias.input_column} : Home{output, alias.output_column};
      }
      for (const int output : node.outputs) produced[output] = true;
    }
  }

  int value_slot(int value, int tick) {
    int& slot = value_slot_[value];
    const Home& home = home_[value];
    if (slot < 0 && home.value < 0) slot = add(graph_.values[value], tick);
    if (slot < 0) slot = add_columns(graph_.values[value], value_slot(home.value, tick), home.column, tick);
    extend(slot, tick);
    return slot;
  }

  // A gradient for input i where none has been written yet: in that of the output if the op only passes it on.
  int new_gradient(const Node& node, size_t i, int tick) {
    const ValueSpec& spec = graph_.values[node.inputs[i]];
    for (const Alias& alias : node.op->aliases) {
      const int output = node.outputs[static_cast<size_t>(alias.output)], dout = gradient_slot_[output];
      if (alias.input == static_cast<int>(i) && alias.gradients && dout >= 0 && may_share(node.inputs[i], output))
        return add_columns(spec, dout, alias.output_column, tick);
    }
    return add(spec, tick);
  }

  void backward_node(size_t n, const std::vector<bool>& flows) {
    const Node& node = graph_.nodes[n];
    NodeSlots& slots = plan_.nodes[n];
    bool any = false;
    for (const int output : node.outputs) {
      slots.dout.push_back(gradient_slot_[output]);
      any = any || gradient_slot_[output] >= 0;
    }
    if (!any || !node.op->differentiable) return;
    slots.runs_backward = true;
    const int tick = end() - 1 - static_cast<int>(n);
    // A sparse update reads the gradient and what forward saved once more, at the end.
    const int last = node.op->sparse_updates.empty() ? tick : end();
    for (const int slot : slots.dout) extend(slot, last);
    for (const int slot : slots.saved) extend(slot, last);
    if (node.op->backward_reads_outputs)
      for (const int slot : slots.out) extend(slot, tick);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const int input = node.inputs[i];
      if (node.op->backward_reads_inputs) extend(value_slot_[input], tick);
      int& gradient = gradient_slot_[input];
      int extra = -1;
      if (flows[input] && gradient >= 0) extend(extra = add(graph_.values[input], tick), tick);
      if (flows[input] && gradient < 0) gradient = new_gradient(node, i, tick);
      extend(gradient, tick);
      slots.din.push_back(flows[input] ? gradient : -1);
      slots.din_extra.push_back(extra);
    }
    for (const int param : node.params) {
      const ParamSpec& spec = graph_.params[param];
      if (spec.sparse || spec.buffer) {
        slots.dparams.push_back(-1);
        continue;
      }
      slots.dparams.push_back(add({param_rows(spec), param_cols(spec)}, tick));
      extend(slots.dparams.back(), end());
    }
  }

  const Graph& graph_;
  const Mode mode_;
  Plan& plan_;
  struct Home {
    int value = -1;
    int64_t column = 0;
  };
  std::vector<Home> home_;
  std::vector<int> value_slot_, gradient_slot_;
};

}  // namespace

Plan::Plan(const Graph& graph, Mode mode, int64_t max_batch) : max_batch(max_batch) {
  Planner planner(graph, mode, *this);
  planner.forward();
  if (mode == Mode::train) planner.backward();
  arena_bytes = assign_offsets(slots, max_batch);
}

Plan::Place Plan::place(int slot) const {
  int64_t column = 0;
  for (; slots[slot].parent >= 0; slot = slots[slot].parent) column += slots[slot].column;
  const ValueSpec& spec = slots[slot].spec;
  return {slots[slot].offset + static_cast<size_t>(column * dtype_bytes(spec.dtype)), spec.cols};
}

}  // namespace dlrm
