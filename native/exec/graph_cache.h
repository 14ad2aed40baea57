// The work of a step as CUDA graphs: recorded the second time that the same work comes, from then on put into the stream by
// one call. The first time, work is launched kernel by kernel, so that what never comes again (bags of several indices: other
// grids) costs no recording.
//
// A graph has baked in whatever the launches were given: addresses, sizes, numbers of lookups. The key must have all of that
// which may change. Learning rates, numbers of steps and keys of random numbers change with every step; ops read them from
// Run::constants, that is from memory.
#pragma once
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "exec/stream.h"

namespace dlrm {

class GraphCache {
 public:
  using Key = std::vector<uint64_t>;

  GraphCache() = default;
  ~GraphCache() { clear(); }
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  // Does what work() puts into the stream: by work() itself for a key that is new, else by a graph. True if work() was called
  // (twice if it could not be recorded, or has failed while it was: such work is never tried again).
  template <class F>
  bool run(const Key& key, const Stream& stream, F&& work) {
    Entry& entry = find(key);
    if (!entry.graph && entry.uses == 2) record(entry, stream, work);
    if (!entry.graph) {
      work();
      return true;
    }
    launch(entry, stream);
    return entry.uses == 2;
  }

  void clear();
  int64_t graphs() const;  // how many there are

 private:
  struct Entry {
    Key key;
    CudaGraph graph = nullptr;
    int64_t uses = 0, last = 0;
  };

  template <class F>
  void record(Entry& entry, const Stream& stream, F&& work) {
    begin(stream);
    try {
      work();
      end(entry, stream);
    } catch (const Error&) {  // launched as it is, it may do; if not, it tells why
      end(entry, stream);
      forget(entry);
    }
  }

  Entry& find(const Key& key);
  static void begin(const Stream& stream);
  void end(Entry& entry, const Stream& stream) noexcept;
  static void launch(const Entry& entry, const Stream& stream);
  void forget(Entry& entry);

  const CudaPlugin* plugin_ = nullptr;  // since the first graph
  std::vector<Entry> entries_;
  int64_t clock_ = 0;
};

}  // namespace dlrm
