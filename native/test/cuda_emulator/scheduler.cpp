// Runs a grid: block after block, a block's threads as fibers that give way to each other where they wait.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "test/cuda_emulator/emulator.h"
#include "test/cuda_emulator/fiber.h"
#include "test/cuda_emulator/runtime.h"

namespace dlrm::emulator {

Index block_index, block_size, grid_size;
unsigned char* dynamic_shared;

// Lanes of a warp that wait for each other.
struct Meeting {
  unsigned mask = 0, arrived = 0;
  void* items[32];
};

struct Warp {
  unsigned ready = 0, left = 0;  // masks of lanes
  unsigned first = 0;            // the lane that goes first, to the next barrier
  Meeting all, some[7];          // of the whole warp; of other masks
};

struct AsyncCopy {
  void* to;
  const void* from;
  int bytes, size;
};

struct Thread {
  Context context;
  Index index;
  unsigned lane, bit;
  Warp* warp;
  const char* waits_for = nullptr;
  std::vector<AsyncCopy> copies;
  std::vector<size_t> groups;  // copies.size() at each commit, for those still under way
};

Thread* current;

namespace {

constexpr unsigned kMostThreads = 1024;
constexpr size_t kStackBytes = (test::kAddressSanitizer ? 256 : 128) << 10;
constexpr int64_t kMostShared = 163 << 10;

size_t page() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// `bytes` that lie right before an inaccessible page, rounded up to whole pages.
char* map_guarded(size_t bytes) {
  void* p = mmap(nullptr, bytes + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) abort();
  mprotect(static_cast<char*>(p) + bytes, page(), PROT_NONE);
  return static_cast<char*>(p);
}

class Scheduler {
 public:
  Scheduler() : threads_(kMostThreads), warps_(kMostThreads / 32) {
    stacks_ = static_cast<char*>(mmap(nullptr, kMostThreads * kStackBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0));
    if (stacks_ == MAP_FAILED) abort();
    for (unsigned i = 0; i < kMostThreads; ++i) mprotect(stacks_ + i * kStackBytes, page(), PROT_NONE);
    shared_bytes_ = (kMostShared + page() - 1) / page() * page();
    shared_ = map_guarded(shared_bytes_);
    const char* seed = getenv("DLRM_CUDA_EMULATED_SEED");
    random_ = seed ? strtoull(seed, nullptr, 10) : 1;
  }

  void run(const Launch& launch, const std::function<void()>& kernel);

  void barrier() {
    current->waits_for = "__syncthreads";
    ++at_barrier_;
    give_way();
    current->waits_for = nullptr;
  }

  // Ends the launch: no thread of the block goes on.
  void fault(const char* what) {
    if (error_.empty()) error_ = what;
    for (Warp& warp : warps_) warp.ready = 0;
    swap(current->context, scheduler_);
  }

  void meet(unsigned mask, void* item, void (*combine)(void* const*, unsigned)) {
    Warp& warp = *current->warp;
    if (!(mask & current->bit)) return fault("a lane has called a function of a warp with a mask that it is not in");
    Meeting* meeting = mask == 0xffffffff ? &warp.all : find(warp, mask);
    if (!meeting) return fault("more than 7 groups of lanes wait in a warp at once");
    meeting->mask = mask;
    meeting->arrived |= current->bit;
    meeting->items[current->lane] = item;
    if (meeting->arrived == mask) {
      combine(meeting->items, mask);
      meeting->arrived = 0;
      warp.ready |= mask;
      return;
    }
    current->waits_for = "a function of its warp";
    give_way();
    current->waits_for = nullptr;
  }

 private:
  // The meeting of these lanes, begun or to begin; null if there are too many.
  static Meeting* find(Warp& warp, unsigned mask) {
    Meeting* idle = nullptr;
    for (Meeting& m : warp.some) {
      if (m.arrived && m.mask == mask) return &m;
      if (!m.arrived) idle = &m;
    }
    return idle;
  }

  // Continues another ready lane of the warp, or the scheduler.
  void give_way() {
    Thread& self = *current;
    Warp& warp = *self.warp;
    warp.ready &= ~self.bit;
    if (!warp.ready) return swap(self.context, scheduler_);
    current = next(warp);
    swap(self.context, current->context);
  }

  Thread* next(const Warp& warp) {
    const unsigned turned = warp.first ? warp.ready >> warp.first | warp.ready << (32 - warp.first) : warp.ready;
    const unsigned lane = (static_cast<unsigned>(__builtin_ctz(turned)) + warp.first) % 32;
    return &threads_[static_cast<size_t>(&warp - warps_.data()) * 32 + lane];
  }

  static void entry();
  void run_block();
  void start(unsigned i, const Index& index);
  void release();
  std::string deadlock() const;
  unsigned random(unsigned below) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>((random_ >> 33) % below);
  }

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  char *stacks_, *shared_;
  size_t shared_bytes_;
  uint64_t random_;
  Context scheduler_;
  const std::function<void()>* kernel_ = nullptr;
  unsigned count_ = 0, at_barrier_ = 0, done_ = 0;
  std::string error_;
};

Scheduler& scheduler() {
  static auto& only = *new Scheduler;  // its stacks must outlive every static object's destructor
  return only;
}

void Scheduler::entry() {
  Scheduler& s = scheduler();
  arrive(current->context);
  for (;;) {
    (*s.kernel_)();
    ++s.done_;
    current->warp->left |= current->bit;
    s.give_way();
  }
}

// Every thread has its own page colour, or their stacks would share few lines of the caches.
void Scheduler::start(unsigned i, const Index& index) {
  Thread& t = threads_[i];
  t.index = index;
  t.lane = i % 32;
  t.bit = 1u << t.lane;
  t.warp = &warps_[i / 32];
  t.waits_for = nullptr;
  t.copies.clear();
  t.groups.clear();
  char* bottom = stacks_ + i * kStackBytes;
  prepare(t.context, bottom + page(), bottom + kStackBytes - i * 192 % page() / 16 * 16, entry);
}

void Scheduler::release() {
  at_barrier_ = 0;
  for (unsigned w = 0; w < count_ / 32; ++w) {
    warps_[w].ready = 0xffffffff;
    warps_[w].first = random(32);
  }
}

std::string Scheduler::deadlock() const {
  char text[256];
  snprintf(text, sizeof text, "block (%u, %u, %u): %u of %u threads have left", block_index.x, block_index.y, block_index.z, done_, count_);
  std::string all = text;
  for (unsigned i = 0; i < count_; ++i) {
    if (warps_[i / 32].left >> i % 32 & 1) continue;
    snprintf(text, sizeof text, ", thread %u waits at %s", i, threads_[i].waits_for ? threads_[i].waits_for : "?");
    return all + text;
  }
  return all;
}

void Scheduler::run_block() {
  at_barrier_ = done_ = 0;
  for (unsigned w = 0; w < count_ / 32; ++w) {
    warps_[w].left = 0;
    warps_[w].all.arrived = 0;
    for (Meeting& meeting : warps_[w].some) meeting.arrived = 0;
  }
  unsigned i = 0;
  for (unsigned z = 0; z < block_size.z; ++z)
    for (unsigned y = 0; y < block_size.y; ++y)
      for (unsigned x = 0; x < block_size.x; ++x) start(i++, {x, y, z});
  const unsigned warps = count_ / 32;
  for (;;) {
    release();
    const unsigned first = random(warps), direction = random(2) ? 1 : warps - 1;
    for (unsigned n = 0, w = first; n < warps; ++n, w = (w + direction) % warps)
      if (warps_[w].ready) {
        current = next(warps_[w]);
        swap(scheduler_, current->context);
      }
    if (!error_.empty() || done_ == count_) return;
    if (at_barrier_ != count_) {
      error_ = deadlock();
      return;
    }
  }
}

void Scheduler::run(const Launch& launch, const std::function<void()>& kernel) {
  count_ = launch.block.x * launch.block.y * launch.block.z;
  error_.clear();
  if (!count_ || count_ > kMostThreads || count_ % 32) error_ = "a block must have 32, 64, ... 1024 threads";
  if (launch.grid.y > 65535 || launch.grid.z > 65535) error_ = "a grid may have at most 65535 blocks in y and z";
  if (static_cast<int64_t>(launch.shared_bytes) > most_shared_bytes())
    error_ = "more than " + std::to_string(most_shared_bytes() >> 10) + " KB of shared memory";
  kernel_ = &kernel;
  grid_size = launch.grid;
  block_size = launch.block;
  const size_t shared = (launch.shared_bytes + 127) / 128 * 128;
  dynamic_shared = reinterpret_cast<unsigned char*>(shared_ + shared_bytes_ - shared);
  if (error_.empty()) {
    test::forbid(shared_, shared_bytes_);
    test::allow(dynamic_shared, launch.shared_bytes);
  }
  for (unsigned z = 0; z < launch.grid.z && error_.empty(); ++z)
    for (unsigned y = 0; y < launch.grid.y && error_.empty(); ++y)
      for (unsigned x = 0; x < launch.grid.x && error_.empty(); ++x) {
        block_index = {x, y, z};
        memset(dynamic_shared, 0xff, test::kAddressSanitizer ? launch.shared_bytes : shared);
        run_block();
      }
  if (!error_.empty()) note_fault("a kernel has failed: " + error_);
}

}  // namespace

const Index& thread_index() { return current->index; }
unsigned lane() { return current->lane; }
void barrier() { scheduler().barrier(); }
void meet(unsigned mask, void* item, void (*combine)(void* const*, unsigned)) { scheduler().meet(mask, item, combine); }
void run_grid(const Launch& launch, const std::function<void()>& kernel) { scheduler().run(launch, kernel); }

int64_t most_shared_bytes() {
  const char* bytes = getenv("DLRM_CUDA_EMULATED_SHARED");
  return bytes ? std::min<int64_t>(kMostShared, strtoll(bytes, nullptr, 10)) : kMostShared;
}

void expect_aligned(const void* p, int bytes) {
  if (reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes)) scheduler().fault("cp_async or ldmatrix of a misaligned address");
}

void async_copy(void* to, const void* from, int bytes, int size) {
  expect_aligned(to, size);
  expect_aligned(from, size);
  memset(to, 0xff, static_cast<size_t>(size));
  current->copies.push_back({to, from, bytes, size});
}

void async_commit() { current->groups.push_back(current->copies.size()); }

void async_wait(int groups_left) {
  Thread& t = *current;
  const auto left = static_cast<size_t>(groups_left);
  if (t.groups.size() <= left) return;
  const size_t end = t.groups[t.groups.size() - left - 1];
  for (size_t i = 0; i < end; ++i) {
    const AsyncCopy& copy = t.copies[i];
    memset(copy.to, 0, static_cast<size_t>(copy.size));
    memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + static_cast<std::ptrdiff_t>(end));
  t.groups.erase(t.groups.begin(), t.groups.end() - static_cast<std::ptrdiff_t>(left));
  for (size_t& group : t.groups) group -= end;
}

}  // namespace dlrm::emulator
