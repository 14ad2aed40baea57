#include "base/pool.h"

#include <chrono>
#include <system_error>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dlrm {
namespace {

// Long enough to bridge the serial gaps inside one training step, short enough to be polite on a shared host.
constexpr auto kSpin = std::chrono::microseconds(60);

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Spins until ready() or the time is up; looks at the clock only every 64 turns.
template <class Ready>
bool spin_until(Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

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
  while (!spin_until(done)) std::this_thread::yield();
}

bool Pool::claim(int64_t* index) {
  uint64_t word = word_.load(std::memory_order_acquire);
  while (unclaimed(word) > 0) {
    if (word_.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      *index = job_.n - unclaimed(word);
      return true;
    }
  }
  return false;
}

void Pool::work() {
  for (int64_t i; claim(&i);) {
    job_.call(job_.context, i);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void Pool::worker() {
  auto something = [this] {
    return unclaimed(word_.load(std::memory_order_acquire)) > 0 || stop_.load(std::memory_order_relaxed);
  };
  while (!stop_) {
    if (!spin_until(something)) {
      std::unique_lock<std::mutex> lock(mutex_);
      parked_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, something);
      parked_.fetch_sub(1, std::memory_order_relaxed);
    }
    work();
  }
}

}  // namespace dlrm
