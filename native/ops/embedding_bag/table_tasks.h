// Chunks of T tables numbered through: chunk i belongs to the table t with first[t] <= i < first[t+1].
#pragma once
#include <algorithm>
#include <cstdint>

namespace dlrm {

struct TableTasks {
  int64_t* first;  // [T+1]
  int64_t tables;

  static constexpr size_t bytes(int64_t tables) { return static_cast<size_t>(tables + 1) * sizeof(int64_t); }

  // chunks_of(t): number of chunks of table t.
  template <class F>
  void fill(F&& chunks_of) {
    first[0] = 0;
    for (int64_t t = 0; t < tables; ++t) first[t + 1] = first[t] + chunks_of(t);
  }

  int64_t total() const { return first[tables]; }
  int64_t table_of(int64_t i) const { return std::upper_bound(first, first + tables + 1, i) - first - 1; }
  int64_t chunks_of(int64_t t) const { return first[t + 1] - first[t]; }
};

}  // namespace dlrm
