#include "exec/graph_cache.h"

#include <algorithm>

namespace dlrm {
namespace {

// Two batch slots, predictions and steps, the last batch of an epoch: more than a training run has.
constexpr size_t kMostEntries = 16;

}  // namespace

GraphCache::Entry& GraphCache::find(const Key& key) {
  ++clock_;
  auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) { return each.key == key; });
  if (entry == entries_.end()) {
    if (entries_.size() < kMostEntries) {
      entries_.emplace_back();
      entry = entries_.end() - 1;
    } else {
      entry = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.last < b.last; });
      forget(*entry);
    }
    entry->key = key;
    entry->uses = 0;
  }
  entry->last = clock_;
  ++entry->uses;
  return *entry;
}

void GraphCache::clear() {
  for (Entry& entry : entries_) forget(entry);
  entries_.clear();
}

int64_t GraphCache::graphs() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.graph != nullptr; });
}

void GraphCache::begin(const Stream& stream) { cuda_check(stream.plugin().begin_capture(stream.handle()), "recording a step"); }

// A device that cannot record this work leaves the entry without a graph.
void GraphCache::end(Entry& entry, const Stream& stream) noexcept {
  plugin_ = &stream.plugin();
  if (plugin_->end_capture(stream.handle(), &entry.graph) != CudaStatus::ok) entry.graph = nullptr;
}

void GraphCache::launch(const Entry& entry, const Stream& stream) {
  cuda_check(stream.plugin().launch_graph(entry.graph, stream.handle()), "a step");
}

void GraphCache::forget(Entry& entry) {
  if (entry.graph) plugin_->destroy_graph(entry.graph);
  entry.graph = nullptr;
}

}  // namespace dlrm
