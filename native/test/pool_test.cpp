#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <thread>
#include <vector>

#include "base/compute_thread.h"
#include "base/error.h"
#include "base/pool.h"
#include "test/sanitizer.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

// Plain ints on purpose: ThreadSanitizer sees whether the pool orders the chunks before the caller's reads.
void expect_each_once(Pool& pool, int64_t n) {
  std::vector<int> runs(static_cast<size_t>(n), 0);
  pool.parallel_for(n, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
  for (int64_t i = 0; i < n; ++i)
    expect(runs[static_cast<size_t>(i)] == 1, "%d threads, n = %lld: chunk %lld ran %d times", pool.threads(),
           static_cast<long long>(n), static_cast<long long>(i), runs[static_cast<size_t>(i)]);
}

TEST(pool_runs_each_chunk_once) {
  for (const int threads : {1, 2, 3, 8}) {
    Pool pool(threads);
    expect(pool.threads() == threads, "threads() = %d of %d", pool.threads(), threads);
    for (const int64_t n : {0, 1, 2, 3, 7, 8, 64, 1000, 20000}) expect_each_once(pool, n);
  }
}

TEST(pool_many_small_loops) {
  Pool pool(4);
  int64_t total = 0;
  std::vector<int64_t> parts(5);
  for (int64_t loop = 0; loop < 20000; ++loop) {
    pool.parallel_for(loop % 6, [&](int64_t i) { parts[static_cast<size_t>(i)] = loop + i; });
    for (int64_t i = 0; i < loop % 6; ++i) {
      expect(parts[static_cast<size_t>(i)] == loop + i, "loop %lld: chunk %lld of another loop", static_cast<long long>(loop),
             static_cast<long long>(i));
      ++total;
    }
  }
  expect(total > 0, "nothing ran");
}

TEST(pool_wakes_parked_workers) {
  Pool pool(3);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    expect_each_once(pool, 50);
  }
}

TEST(pool_starts_and_stops) {
  for (int i = 0; i < 50; ++i) {
    Pool pool(1 + i % 5);
    if (i % 2) expect_each_once(pool, 10);
  }
}

TEST(pool_moves_between_callers) {
  Pool pool(3);
  for (int i = 0; i < 20; ++i) std::thread([&] { pool.parallel_for(100, [](int64_t) {}); }).join();
  expect_each_once(pool, 100);
}

TEST(pool_beside_busy_threads) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i)
    busy.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
      }
    });
  std::string why;
  try {
    Pool pool(4);
    for (int i = 0; i < 300; ++i) expect_each_once(pool, 16);
  } catch (const Failure& failure) {
    why = failure.why;
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
  expect(why.empty(), "%s", why.c_str());
}

TEST(pool_goes_on_with_fewer_threads) {
  if (kAddressSanitizer || kThreadSanitizer) throw Skip{"a sanitizer needs the address space"};
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  if (!pages) throw Skip{"no /proc/self/statm"};
  rlimit before;
  getrlimit(RLIMIT_AS, &before);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{40} << 20);
  setrlimit(RLIMIT_AS, &tight);
  std::string why;
  int threads = 0;
  try {
    Pool pool(500);
    threads = pool.threads();
    pool.parallel_for(10, [](int64_t) {});
  } catch (const std::exception& error) {
    why = error.what();
  }
  setrlimit(RLIMIT_AS, &before);
  expect(why.empty(), "%s", why.c_str());
  expect(threads >= 1 && threads < 500, "%d threads in 40 MB", threads);
}

TEST(for_chunks_runs_short_loops_on_the_caller) {
  Pool pool(4);
  const std::thread::id caller = std::this_thread::get_id();
  int64_t ran = 0;
  for_chunks(&pool, 8, pool.serial_below_ns / 2, [&](int64_t i) {
    expect(std::this_thread::get_id() == caller && ran++ == i, "chunk %lld elsewhere or out of order", static_cast<long long>(i));
  });
  for_chunks(nullptr, 3, 1e12, [&](int64_t) { ++ran; });
  std::atomic<int64_t> pooled{0};
  for_chunks(&pool, 8, pool.serial_below_ns * 2, [&](int64_t) { ++pooled; });
  expect(ran == 11 && pooled == 8, "%lld and %lld chunks ran", static_cast<long long>(ran), static_cast<long long>(pooled));
}

TEST(compute_thread_runs_jobs_in_order) {
  const int before = current_threads();
  std::vector<int> order;
  std::vector<int> threads;
  for (int i = 0; i < 6; ++i) {
    set_threads(1 + i % 3);
    std::promise<void> done;
    submit([&](Pool& pool) {
      order.push_back(i);
      threads.push_back(pool.threads());
    });
    submit([&](Pool&) { done.set_value(); });
    done.get_future().wait();
  }
  set_threads(before);
  for (int i = 0; i < 6; ++i)
    expect(order[static_cast<size_t>(i)] == i && threads[static_cast<size_t>(i)] == 1 + i % 3, "job %d: %d threads", i,
           threads[static_cast<size_t>(i)]);
}

TEST(the_pool_is_lent_while_the_compute_thread_has_no_job_for_it) {
  std::promise<void> running, go_on;
  submit([&](Pool&) {
    running.set_value();
    go_on.get_future().wait();
  });
  running.get_future().wait();
  bool lent = true;
  with_idle_pool([&](Pool* pool) { lent = pool != nullptr; });
  expect(!lent, "lent while a job runs");
  go_on.set_value();
  for (int i = 0; i < 1000 && !lent; ++i) {
    with_idle_pool([&](Pool* pool) { lent = pool != nullptr; });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  expect(lent, "not lent after the job");
  expect_error(Code::value, "of the work", [] { with_idle_pool([](Pool*) { fail(Code::value, "of the work"); }); });
  with_idle_pool([&](Pool* pool) { lent = pool != nullptr; });
  expect(lent, "not lent after an error");
}

TEST(the_pool_is_lent_to_one_thread_at_a_time) {
  const int before = current_threads();
  set_threads(3);
  std::atomic<int> wrong{0};
  const auto work = [&](Pool* pool) {
    std::vector<int> runs(40, 0);
    for_chunks(pool, 40, 1e9, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
    for (const int n : runs) wrong += n != 1;
  };
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) with_idle_pool(work);
    });
  for (int i = 0; i < 200; ++i) submit([&](Pool& pool) { work(&pool); });
  std::promise<void> done;
  submit([&](Pool&) { done.set_value(); });
  for (std::thread& caller : callers) caller.join();
  done.get_future().wait();
  set_threads(before);
  expect(wrong == 0, "%d chunks did not run once", wrong.load());
}

}  // namespace
}  // namespace dlrm::test
