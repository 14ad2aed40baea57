// A batch cut into blocks of rows, each of which goes through all layers, or all ops, while its values are near.
#pragma once
#include <algorithm>

#include "base/pool.h"
#include "base/view.h"

namespace dlrm {

// Multiply-adds (as 2) and weights read in a nanosecond, roughly, of one core; only to judge whether a loop is worth
// waking the pool.
struct MlpPace {
  double flops, weights;
};
constexpr MlpPace kFloatPace{50, 10};

struct RowBlocks {
  int64_t batch, rows;  // the last block may have fewer

  // Enough rows to use what is read of the weights; with a pool, enough blocks to share among the threads; whole tiles of the
  // products (mlp's kTileRows).
  static RowBlocks of(int64_t batch, const Pool* pool) {
    constexpr int64_t kStep = 12, kMost = 60;
    const int64_t rows = pool ? batch / 16 : batch;
    return {batch, std::clamp((rows + kStep - 1) / kStep * kStep, kStep, kMost)};
  }

  int64_t count() const { return (batch + rows - 1) / rows; }
  Range block(int64_t i) const { return {i * rows, std::min(batch, (i + 1) * rows)}; }

  // body(range of rows, pool). Many blocks: each is one chunk, without a pool. A single one is handed it, to cut its columns instead.
  template <class F>
  void each(Pool* pool, double ns, F&& body) const {
    Pool* const inner = count() == 1 ? pool : nullptr;
    for_chunks(pool, count(), ns, [&](int64_t i) { body(block(i), inner); });
  }
};

// Strips of columns of one layer's product with a block.
template <class Kernel, class Product>
void run_product(Kernel kernel, const Product& a, int64_t strips, const MlpPace& pace, Pool* pool) {
  if (!pool) return kernel(a, Range{0, strips});
  constexpr int64_t kTogether = 4;
  const double weights = static_cast<double>(a.depth * a.cols), rows = static_cast<double>(a.rows);
  const double ns = weights * std::max(2 * rows / pace.flops, 1 / pace.weights);
  for_chunks(pool, (strips + kTogether - 1) / kTogether, ns,
             [&](int64_t i) { kernel(a, Range{i * kTogether, std::min(strips, (i + 1) * kTogether)}); });
}

}  // namespace dlrm
