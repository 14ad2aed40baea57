// What a device computes for the host: copied into pinned memory behind the kernels, so that nobody waits before he needs it.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "base/view.h"
#include "exec/stream.h"

namespace dlrm {

class Results;

// The loss of a step that may still be running.
class PendingLoss {
 public:
  explicit PendingLoss(double value) : value_(value) {}
  // Once; from any thread.
  double wait();

 private:
  friend class Results;
  struct Place {
    Buffer memory{MemoryKind::pinned};
    Event done;
  };
  struct Places {
    std::mutex mutex;
    std::vector<std::unique_ptr<Place>> free;
  };

  double value_ = 0;
  std::unique_ptr<Place> place_;
  std::shared_ptr<Places> home_;
};

class Results {
 public:
  PendingLoss send(const float* loss, const Stream& stream);
  // Waits for the predictions [B,1], which go to `out`, and for the loss, which comes back (0 without one).
  double read(const View& predictions, const float* loss, float* out, const Stream& stream);

 private:
  std::shared_ptr<PendingLoss::Places> places_ = std::make_shared<PendingLoss::Places>();
  Buffer memory_{MemoryKind::pinned};
};

}  // namespace dlrm
