// What a program keeps for each of its ways to run: the plan, the arena, and the views of a batch.
#pragma once
#include <vector>

#include "exec/batch_block.h"
#include "exec/graph_cache.h"
#include "exec/program.h"

namespace dlrm {

// The views of one node's slots for the batch size bound last.
struct Program::NodeViews {
  std::vector<Value> in;
  std::vector<View> out, saved, dout, din, din_extra, dparams;
};

struct Program::Execution {
  Execution(const Graph& graph, Mode mode, int64_t max_batch, MemoryKind memory)
      : plan(graph, mode, max_batch), arena(plan.arena_bytes, memory) {
    nodes.resize(graph.nodes.size());
    values.resize(graph.values.size());
    for (size_t n = 0; n < graph.nodes.size(); ++n) dlookup.emplace_back(memory);
  }

  View view(int slot, int64_t batch) const {
    if (slot < 0) return {};
    const Slot& s = plan.slots[slot];
    const Plan::Place place = plan.place(slot);
    return {arena.data() + place.offset, s.spec.dtype, s.rows(batch), s.spec.cols, place.stride};
  }

  Plan plan;
  Buffer arena;
  int64_t batch = -1;  // what the views are for
  int64_t step = 0;    // > 0: a training step, this one
  std::vector<NodeViews> nodes;
  std::vector<Value> values;
  std::vector<Buffer> dlookup;  // per node: gradients of the per-sample weights
  GraphCache graphs;            // on a device
  const char* constants = nullptr;  // of this step, on the device
};

// What a thread needs for the block of a batch that it is at.
struct Program::BlockSlot {
  BlockSlot(const Graph& graph, int64_t rows) : execution(graph, Mode::predict, rows, MemoryKind::host) {}
  Execution execution;
  Buffer scratch;
  BatchBlock block;
};

}  // namespace dlrm
