// Sums over the batch, per column: chunks of rows that depend on B alone, each with a part of its own, added in their order.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "base/pool.h"
#include "base/view.h"

namespace dlrm {

class RowParts {
 public:
  static constexpr int64_t kRows = 64, kColumns = 128;

  RowParts(int64_t batch, int64_t cols) : batch_(batch), cols_(cols) {}
  int64_t chunks() const { return (batch_ + kRows - 1) / kRows; }
  Range rows(int64_t chunk) const { return chunk_range(batch_, chunks(), chunk); }

  // body(chunk, rows); `ns` of one element, about.
  template <class F>
  void each(Pool* pool, double ns, F&& body) const {
    for_chunks(pool, chunks(), ns * static_cast<double>(batch_ * cols_), [&](int64_t i) { body(i, rows(i)); });
  }

  // body(columns), at most kColumns of them, for what reads the parts of all chunks.
  template <class F>
  void each_columns(Pool* pool, F&& body) const {
    for_chunks(pool, (cols_ + kColumns - 1) / kColumns, 2.0 * static_cast<double>(chunks() * cols_),
               [&](int64_t i) { body(Range{i * kColumns, std::min(cols_, (i + 1) * kColumns)}); });
  }

  // Vector v of chunk i at parts + (i * count + v) * cols: each sum to totals[v] [1,N], unless that is null.
  void add_up(Pool* pool, const float* parts, std::initializer_list<View> totals) const {
    const auto count = static_cast<int64_t>(totals.size());
    each_columns(pool, [&](Range columns) {
      int64_t v = 0;
      for (const View& total : totals) {
        double sum[kColumns] = {};
        for (int64_t i = 0; i < chunks(); ++i)
          for (int64_t c = columns.begin; c < columns.end; ++c) sum[c - columns.begin] += parts[(i * count + v) * cols_ + c];
        for (int64_t c = columns.begin; total && c < columns.end; ++c) total.f32()[c] = static_cast<float>(sum[c - columns.begin]);
        ++v;
      }
    });
  }

 private:
  int64_t batch_, cols_;
};

}  // namespace dlrm
