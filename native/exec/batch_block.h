// Some examples of a batch as a batch of their own.
#pragma once
#include <vector>

#include "exec/batch.h"
#include "ops/row_blocks.h"

namespace dlrm {

// Is there about as much to look up in each block? A thread that gets most of it would keep the others waiting.
bool even_blocks(const Bags& bags, const RowBlocks& blocks);

class BatchBlock {
 public:
  // Valid until the next call, and as long as `whole` is.
  const BatchViews& cut(const BatchViews& whole, Range rows);

 private:
  void cut_bags(const Bags& whole, Range rows);

  BatchViews views_;
  Bags bags_;
  std::vector<int32_t> offsets_;
  std::vector<const int32_t*> offset_lists_, indices_;
  std::vector<const float*> weights_;
  std::vector<int64_t> counts_;
};

}  // namespace dlrm
