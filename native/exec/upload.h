// Batches on their way to a CUDA device, two at a time: while the kernels of one run, the next is copied by a stream of its own.
#pragma once
#include <cstdint>
#include <vector>

#include "exec/batch.h"
#include "exec/stream.h"

namespace dlrm {

class Uploads {
 public:
  Uploads() = default;

  struct Sent {
    BatchViews views;
    const char* constants;
  };

  // Copies the batch and the constants of a step, which may change as soon as this returns, and makes `to` wait for them. What
  // comes back is valid until the second call of send after this one. `ahead`: `to` may still be busy with the batch before;
  // else `to` copies it itself, which takes less time.
  const Sent& send(const Batch& batch, int64_t dense_cols, const std::vector<char>& constants, const Stream& to, bool ahead, Pool* pool);
  // All that reads what was sent last is in the stream.
  void end(const Stream& readers);

 private:
  struct Slot {
    Buffer host{MemoryKind::pinned}, device{MemoryKind::device};
    Event sent, read;
    bool used = false;
    std::vector<const int32_t*> offsets, indices;
    std::vector<const float*> weights;
    std::vector<int64_t> counts;
    Bags bags;
    Sent to_read;
  };
  // One array of the batch: from there to `at` in both memories of the slot.
  struct Part {
    const void* from;
    size_t bytes, at;
  };

  size_t add(const void* from, size_t bytes);
  void reserve_one_each(int64_t size, const Stream& to);
  void lay_out(const Batch& batch, int64_t dense_cols, const std::vector<char>& constants);
  void reserve(Slot& slot, const Stream& to, const Stream& by);
  void point(Slot& slot, const Batch& batch, int64_t dense_cols);

  Slot slots_[2];
  int current_ = 0;
  std::vector<Part> parts_;
  size_t bytes_ = 0;
  std::vector<char> one_hot_;
  std::vector<size_t> places_;  // of constants, dense, labels, weights; then offsets, indices and weights of each column
  Buffer one_each_{MemoryKind::device};  // 0, 1, 2, ...: the offsets of columns with one index per bag
  Stream stream_{Device::cuda};          // last, so that it ends before the memory that it copies
};

}  // namespace dlrm
