#include "base/pool.h"

#include <system_error>

#include "base/wait.h"

namespace dlrm {
namespace {

uint32_t unclaimed(uint64_t word) { return static_cast<uint32_t>(word); }

}  // namespace

Pool::Pool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { worker(); });
  } catch (const std::system_error&) {
    // The system gives no more threads; those there are do the work.
  }
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& thread : workers_) thread.join();
}

void Pool::run(const Job& job) {
  if (job.n <= 0) return;
  job_ = job;
  unfinished_.store(job.n, std::memory_order_relaxed);
  const uint64_t loop = (word_.load(std::memory_order_relaxed) >> 32) + 1;
  word_.store(loop << 32 | static_cast<uint64_t>(job.n), std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  work();
  auto done = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  patience_.wait(done, [&] {
    while (!done()) std::this_thread::yield();
  });
}

// A claim is ordered after the loop's beginning and a chunk's end before the loop's, nothing else: chunks are not ordered among
// each other, so that ThreadSanitizer reports two that touch the same number even if they did not run at the same time.
bool Pool::claim(int64_t* index) {
  uint64_t word = word_.load(std::memory_order_acquire);
  while (unclaimed(word) > 0) {
    if (word_.compare_exchange_weak(word, word - 1, std::memory_order_acquire, std::memory_order_acquire)) {
      *index = job_.n - unclaimed(word);
      return true;
    }
  }
  return false;
}

void Pool::work() {
  for (int64_t i; claim(&i);) {
    job_.call(job_.context, i);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

void Pool::worker() {
  auto something = [this] {
    return unclaimed(word_.load(std::memory_order_acquire)) > 0 || stop_.load(std::memory_order_relaxed);
  };
  Patience patience;
  while (!stop_) {
    patience.wait(something, [&] {
      std::unique_lock<std::mutex> lock(mutex_);
      parked_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, something);
      parked_.fetch_sub(1, std::memory_order_relaxed);
    });
    work();
  }
}

}  // namespace dlrm
