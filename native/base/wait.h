// Waiting for work that is likely to come soon. On virtual machines, waking a core that sleeps takes 50 to 100 us, as long
// as a whole loop of a small step, so a thread whose work came soon the last time stays awake a while.
#pragma once
#include <chrono>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dlrm {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Of one thread.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;
  // Bridges the serial gaps inside one step; and the way from one step through JavaScript to the next.
  static constexpr auto kShort = std::chrono::microseconds(60), kLong = std::chrono::microseconds(1000);

  // Until ready(): awake, and when it is time to sleep in sleep(), which returns once ready().
  template <class Ready, class Sleep>
  void wait(Ready ready, Sleep sleep) {
    const auto began = Clock::now();
    if (!awake(ready, began)) sleep();
    soon_ = Clock::now() - began < kLong;
  }

 private:
  template <class Ready>
  bool awake(Ready ready, Clock::time_point began) {
    const auto patience = soon_ && crowded_ == 0 ? kLong : kShort;
    if (crowded_ > 0) --crowded_;
    for (auto last = began;;) {
      for (int i = 0; i < 64; ++i) {
        if (ready()) return true;
        relax();
      }
      const auto now = Clock::now();
      if (now - last > kSlice) return crowded_ = kCrowded, false;  // a turn takes a few us: another thread had this core
      if (now - began > patience) return false;
      if (now - began > kShort) std::this_thread::yield();
      last = now;
    }
  }

  // No hiccup of a virtual machine, but a turn of another thread; waits for which the core is then left to others.
  static constexpr auto kSlice = std::chrono::microseconds(500);
  static constexpr int kCrowded = 64;
  int crowded_ = 0;
  bool soon_ = false;
};

}  // namespace dlrm
