// Where every intermediate tensor of one way of running a graph lies in one arena, by lifetimes.
#pragma once
#include <cstddef>
#include <vector>

#include "exec/graph.h"

namespace dlrm {

enum class Mode { predict, evaluate, train };
constexpr int kModeCount = 3;

// A tensor alive from tick `first` to tick `last`, both included.
struct Slot {
  ValueSpec spec;
  int first, last;
  size_t offset = 0;
  int64_t rows(int64_t batch) const { return spec.rows == kPerExample ? batch : spec.rows; }
  size_t bytes(int64_t batch) const { return static_cast<size_t>(rows(batch) * spec.cols * dtype_bytes(spec.dtype)); }
};

// Gives every slot an offset so that slots alive at the same tick never overlap; returns the arena's size.
size_t assign_offsets(std::vector<Slot>& slots, int64_t batch);

// The slots of one node; -1: none.
struct NodeSlots {
  bool runs = false, runs_backward = false;
  std::vector<int> out, saved, dout, din, dparams;
  std::vector<int> din_extra;  // where input i's gradient goes first when an earlier consumer has already written din[i]
};

struct Plan {
  Plan(const Graph& graph, Mode mode, int64_t max_batch);

  int64_t max_batch;
  std::vector<Slot> slots;
  std::vector<NodeSlots> nodes;
  size_t arena_bytes;
  int loss_gradient = -1;  // slot of d loss, the seed of backward
};

}  // namespace dlrm
