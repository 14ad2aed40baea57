#include "base/compute_thread.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "base/wait.h"

namespace dlrm {
namespace {

template <class Job>
struct Queue {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::atomic<size_t> waiting{0};  // jobs.size(), to be looked at without the lock
  Patience patience;               // of the one thread that takes

  void put(Job job) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      jobs.push_back(std::move(job));
      ++waiting;
    }
    wake.notify_one();
  }

  Job take() {
    patience.wait([this] { return waiting.load(std::memory_order_acquire) > 0; },
                  [this] {
                    std::unique_lock<std::mutex> lock(mutex);
                    wake.wait(lock, [this] { return !jobs.empty(); });
                  });
    std::lock_guard<std::mutex> lock(mutex);
    Job job = std::move(jobs.front());
    jobs.pop_front();
    --waiting;
    return job;
  }
};

// These two are never destroyed: at process exit the thread may still be running a step, and must find its memory in place.
struct ComputeThread {
  Queue<ComputeJob> queue;
  std::atomic<int> threads{default_threads()};
  std::mutex in_use;  // of the pool

  ComputeThread() {
    std::thread([this] { loop(); }).detach();
  }

  void loop() {
    for (;;) {
      const ComputeJob job = queue.take();
      std::lock_guard<std::mutex> lock(in_use);
      job(pool());
    }
  }

  Pool& pool() {
    const int wanted = threads;
    if (made_for_ != wanted) pool_ = std::make_unique<Pool>(made_for_ = wanted);
    return *pool_;
  }

 private:
  std::unique_ptr<Pool> pool_;
  int made_for_ = 0;
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

void with_idle_pool(const std::function<void(Pool*)>& work) {
  std::unique_lock<std::mutex> lock(instance().in_use, std::try_to_lock);
  work(lock ? &instance().pool() : nullptr);
}

void set_threads(int threads) { instance().threads = threads; }

int current_threads() { return instance().threads; }

}  // namespace dlrm
