// Where every intermediate tensor of one way of running a graph lies in one arena, by lifetimes.
#pragma once
#include <cstddef>
#include <vector>

#include "exec/graph.h"

namespace dlrm {

enum class Mode { predict, evaluate, train };
constexpr int kModeCount = 3;

// A tensor alive from tick `first` to tick `last`, both included; or columns of another slot, which lives as long.
struct Slot {
  ValueSpec spec;
  int first, last;
  size_t offset = 0;  // in the arena; of no meaning with a parent
  int parent = -1;    // the slot whose columns these are, from `column` on
  int64_t column = 0;
  int64_t rows(int64_t batch) const { return spec.rows == kPerExample ? batch : spec.rows; }
  size_t bytes(int64_t batch) const { return static_cast<size_t>(rows(batch) * spec.cols * dtype_bytes(spec.dtype)); }
};

// Gives every slot without a parent an offset so that slots alive at the same tick never overlap; returns the arena's size.
size_t assign_offsets(std::vector<Slot>& slots, int64_t batch);

// The slots of one node; -1: none.
struct NodeSlots {
  bool runs = false, runs_backward = false;
  bool passes_on = false;  // does not run: its output is its input
  std::vector<int> out, saved, dout, din, dparams;
  std::vector<int> din_extra;  // where input i's gradient goes first when an earlier consumer has already written din[i]
};

// Values (and gradients) that Op::aliases says are the same share memory: what a concat puts side by side is written there in
// the first place, a slice is a view. Not shared, but copied by the op: graph inputs, since they are the caller's, and a
// value that has found its place already (in the concat before, or in the value that it is a slice of).
struct Plan {
  Plan(const Graph& graph, Mode mode, int64_t max_batch);

  int64_t max_batch;
  std::vector<Slot> slots;
  std::vector<NodeSlots> nodes;
  size_t arena_bytes;
  int loss_gradient = -1;  // slot of d loss, the seed of backward

  // Where a slot's first element is, in bytes from the start of the arena, and the distance of its rows in elements.
  struct Place {
    size_t offset;
    int64_t stride;
  };
  Place place(int slot) const;
};

}  // namespace dlrm
