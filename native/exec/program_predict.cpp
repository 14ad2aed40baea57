// Predictions on the CPU: blocks of examples go through the whole graph, each on one thread. What one op hands to the next
// stays in the caches near that thread, no thread waits for the others between two ops, and the arena does not grow with B.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>

#include "exec/execution.h"

namespace dlrm {
namespace {

constexpr double kFlopsPerNs = 50, kBytesPerNs = 10;  // roughly, of one core: only to judge whether waking the pool is worth it

}  // namespace

void Program::predict_block(BlockSlot& slot, const BatchViews& batch, Range rows, float* out) {
  Execution& e = slot.execution;
  bind(e, slot.block.cut(batch, rows), rows.end - rows.begin);
  forward(e, nullptr, slot.scratch);
  const View& p = e.values[graph_.prediction].view;
  for (int64_t b = rows.begin; b < rows.end; ++b) out[b] = *p.row(b - rows.begin);
}

// Of the forward pass of what is bound, on one core.
double Program::forward_ns(Execution& e) {
  double ns = 0;
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    if (!e.plan.nodes[n].runs) continue;
    const Cost cost = graph_.nodes[n].op->cost(run_of(e, n, nullptr), false);
    ns += cost.flops / kFlopsPerNs + cost.bytes / kBytesPerNs;
  }
  return ns;
}

// False: these examples are to be predicted op by op, with all threads at each.
bool Program::predict_blocks(const Batch& batch, float* out, Pool* pool) {
  const RowBlocks blocks = RowBlocks::of(batch.size, pool);
  const int64_t threads = pool ? pool->threads() : 1, count = blocks.count();
  const BatchViews views = batch.views(graph_.inputs.dense);
  if (2 * count <= threads || count == 1 || !even_blocks(*views.bags, blocks)) return false;
  for (const Node& node : graph_.nodes)
    if (node.op->cuts_bags(*views.bags, batch.size)) return false;
  prepare(pool, false);
  const int64_t slots = std::min(count, threads);
  for (int64_t s = 0; s < slots; ++s) {
    if (static_cast<int64_t>(block_slots_.size()) == s) block_slots_.emplace_back();
    auto& slot = block_slots_[static_cast<size_t>(s)];
    if (!slot || slot->execution.plan.max_batch < blocks.rows) slot = std::make_unique<BlockSlot>(graph_, blocks.rows);
  }
  BlockSlot& first = *block_slots_[0];
  bind(first.execution, first.block.cut(views, blocks.block(0)), blocks.rows);
  std::atomic<int64_t> next{0};
  std::exception_ptr error;
  std::mutex error_mutex;
  for_chunks(pool, slots, forward_ns(first.execution) * static_cast<double>(count), [&](int64_t s) {
    for (int64_t i; (i = next.fetch_add(1)) < count;) {
      try {
        predict_block(*block_slots_[static_cast<size_t>(s)], views, blocks.block(i), out);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(error_mutex);
        error = std::current_exception();
        next = count;
      }
    }
  });
  if (error) std::rethrow_exception(error);
  return true;
}

void Program::predict(const Batch& batch, float* out, Pool* pool) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (batch.size == 0) return;
  if (on_device_ || !predict_blocks(batch, out, pool)) infer(Mode::predict, batch, out, pool);
}

double Program::evaluate(const Batch& batch, float* out, Pool* pool) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return batch.size == 0 ? NAN : infer(Mode::evaluate, batch, out, pool);
}

}  // namespace dlrm
