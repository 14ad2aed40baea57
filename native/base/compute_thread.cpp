#include "base/compute_thread.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace dlrm {
namespace {

// Never destroyed: at process exit the thread may still be running a step, and must find its memory in place.
struct ComputeThread {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<ComputeJob> jobs;
  int threads = default_threads();

  ComputeThread() {
    std::thread([this] { loop(); }).detach();
  }

  void loop() {
    std::unique_ptr<Pool> pool;
    int made_for = 0;
    for (;;) {
      ComputeJob job;
      int wanted;
      {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [this] { return !jobs.empty(); });
        job = std::move(jobs.front());
        jobs.pop_front();
        wanted = threads;
      }
      if (made_for != wanted) pool = std::make_unique<Pool>(made_for = wanted);
      job(*pool);
    }
  }
};

ComputeThread& instance() {
  static ComputeThread* thread = new ComputeThread();
  return *thread;
}

}  // namespace

void submit(ComputeJob job) {
  ComputeThread& thread = instance();
  {
    std::lock_guard<std::mutex> lock(thread.mutex);
    thread.jobs.push_back(std::move(job));
  }
  thread.wake.notify_one();
}

void set_threads(int threads) {
  ComputeThread& thread = instance();
  std::lock_guard<std::mutex> lock(thread.mutex);
  thread.threads = threads;
}

int current_threads() {
  ComputeThread& thread = instance();
  std::lock_guard<std::mutex> lock(thread.mutex);
  return thread.threads;
}

}  // namespace dlrm
