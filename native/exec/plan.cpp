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
    value_slot_.assign(graph_.values.size(), -1);
    plan_.nodes.resize(graph_.nodes.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!needed[n]) continue;
      const Node& node = graph_.nodes[n];
      NodeSlots& slots = plan_.nodes[n];
      slots.runs = true;
      const int tick = static_cast<int>(n);
      for (const int output : node.outputs) slots.out.push_back(value_slot_[output] = add(graph_.values[output], tick));
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
  void extend(int slot, int tick) {
    if (slot >= 0) plan_.slots[slot].last = std::max(plan_.slots[slot].last, tick);
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
    for (const int input : node.inputs) {
      if (node.op->backward_reads_inputs) extend(value_slot_[input], tick);
      int& gradient = gradient_slot_[input];
      int extra = -1;
      if (flows[input] && gradient >= 0) extend(extra = add(graph_.values[input], tick), tick);
      if (flows[input] && gradient < 0) gradient = add(graph_.values[input], tick);
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
  std::vector<int> value_slot_, gradient_slot_;
};

}  // namespace

Plan::Plan(const Graph& graph, Mode mode, int64_t max_batch) : max_batch(max_batch) {
  Planner planner(graph, mode, *this);
  planner.forward();
  if (mode == Mode::train) planner.backward();
  arena_bytes = assign_offsets(slots, max_batch);
}

}  // namespace dlrm
