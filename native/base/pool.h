// A pool of threads for loops of a few microseconds to a few milliseconds, on hosts that share their cores.
// Chunks are claimed one by one from a single atomic word and the caller works too, so a worker that the
// operating system does not schedule costs nothing but its help.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/wait.h"

namespace dlrm {

class Pool {
 public:
  // The caller counts as one of them. Fewer if the system gives no more: threads() tells.
  explicit Pool(int threads);
  ~Pool();
  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Loops estimated shorter than this run on the caller alone (for_chunks): waking idle cores costs more.
  double serial_below_ns = 50e3;

  // Runs fn(i) once for each i in [0, n) and returns when all have run. fn must not throw. One caller at a time.
  template <class F>
  void parallel_for(int64_t n, F&& fn) {
    run({n, [](void* f, int64_t i) { (*static_cast<std::remove_reference_t<F>*>(f))(i); }, &fn});
  }

 private:
  struct Job {
    int64_t n;
    void (*call)(void*, int64_t);
    void* context;
  };

  void run(const Job& job);
  bool claim(int64_t* index);
  void work();
  void worker();

  // High half: number of the loop; low half: chunks not yet claimed. job_ may be read only after a claim: the loop
  // cannot end before the claimed chunk has run.
  std::atomic<uint64_t> word_{0};
  std::atomic<int64_t> unfinished_{0};
  Job job_{};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> parked_{0};
  std::atomic<bool> stop_{false};
  Patience patience_;  // of the caller
  std::vector<std::thread> workers_;
};

// fn(i) for i in [0, n): on the pool if there is one and the whole loop is worth waking it (total_ns estimated by the
// caller), else in order on this thread. The chunks are the same either way.
template <class F>
void for_chunks(Pool* pool, int64_t n, double total_ns, F&& fn) {
  if (pool && pool->threads() > 1 && n > 1 && total_ns > pool->serial_below_ns)
    pool->parallel_for(n, fn);
  else
    for (int64_t i = 0; i < n; ++i) fn(i);
}

// DLRM_THREADS, else the number of cores this process may use (affinity mask and cgroup CPU quota), at least 1.
// Throws ERR_ARGUMENT if DLRM_THREADS is not an integer from 1 to 1024.
int default_threads();

}  // namespace dlrm
