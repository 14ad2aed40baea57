#include "base/compute_thread.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace dlrm {
namespace {

template <class Job>
struct Queue {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;

  void put(Job job) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      jobs.push_back(std::move(job));
    }
    wake.notify_one();
  }

  Job take() {
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [this] { return !jobs.empty(); });
    Job job = std::move(jobs.front());
    jobs.pop_front();
    return job;
  }
};

// These two are never destroyed: at process exit the thread may still be running a step, and must find its memory in place.
struct ComputeThread {
  Queue<ComputeJob> queue;
  std::atomic<int> threads{default_threads()};

  ComputeThread() {
    std::thread([this] { loop(); }).detach();
  }

  void loop() {
    std::unique_ptr<Pool> pool;
    int made_for = 0;
    for (;;) {
      const ComputeJob job = queue.take();
      const int wanted = threads;
      if (made_for != wanted) pool = std::make_unique<Pool>(made_for = wanted);
      job(*pool);
    }
  }
};

struct WaitingThread {
  Queue<std::function<void()>> queue;

  WaitingThread() {
    std::thread([this] {
      for (;;) queue.take()();
    }).detach();
  }
};

ComputeThread& instance() {
  static ComputeThread* thread = new ComputeThread();
  return *thread;
}

}  // namespace

void submit(ComputeJob job) { instance().queue.put(std::move(job)); }

void submit_wait(std::function<void()> job) {
  static WaitingThread* thread = new WaitingThread();
  thread->queue.put(std::move(job));
}

void set_threads(int threads) { instance().threads = threads; }

int current_threads() { return instance().threads; }

}  // namespace dlrm
