// Chunks of ops that work element by element.
#pragma once
#include <algorithm>

#include "ops/op.h"

namespace dlrm {

// kernel(rows) for chunks of the batch's rows, at `ns` each element.
template <class F>
void each_row_chunk(const Run& run, int64_t cols, double ns, F&& kernel) {
  constexpr int64_t kElementsPerChunk = 4096;
  const int64_t elements = run.batch * cols, chunks = std::min(run.batch, elements / kElementsPerChunk + 1);
  for_chunks(run.pool, chunks, ns * static_cast<double>(elements),
             [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
}

}  // namespace dlrm
