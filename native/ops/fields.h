// The input that ops over fields share: the vectors of an example's F fields side by side, [B, F*E].
#pragma once
#include "ops/op.h"

namespace dlrm {

struct Fields {
  int64_t count, width;  // F, E
};

// The integer >= 1 of attr "width". Throws ERR_ARGUMENT.
int64_t width_attr(const MakeArgs& args);

// F and E of input 0 by attr "width" (E). Throws ERR_ARGUMENT for a bad width, ERR_SHAPE unless there is one input of a
// multiple of E columns, `least` * E or more.
Fields fields_of(const MakeArgs& args, int64_t least);

// Chunks of rows that stay in the first-level cache.
int64_t row_chunks(int64_t batch, int64_t cols);

}  // namespace dlrm
