// The options that embedding_bag and embedding_update share.
#pragma once
#include "ops/embedding_bag/embedding_bag.h"
#include "ops/op.h"

namespace dlrm {

struct TableOptions {
  std::vector<int64_t> rows;  // [T]
  int64_t width;
  Pooling pooling;
};

// Reads rows, width (absent: `width`) and mode. Throws ERR_SHAPE unless there are as many rows as the bags of input 0
// have tables, ERR_ARGUMENT for a number or a mode that no table can have.
TableOptions table_options(const MakeArgs& args, double width);

}  // namespace dlrm
