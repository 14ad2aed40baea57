#include "ops/dropout/dropout.h"

namespace dlrm {
namespace {

void backward(const View& from, const DropoutMask& mask, const View& to, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b)
    for (int64_t k = 0; k < to.cols; ++k) to.row(b)[k] = dropout_keeps(mask, b, k) ? from.row(b)[k] * mask.scale : 0;
}

void forward(const View& from, const DropoutMask& mask, const View& to, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b) dropout_row_bits(mask, b, to.cols);
  backward(from, mask, to, rows);
}

}  // namespace

const DropoutKernels dropout_scalar = {forward, backward, 6};

}  // namespace dlrm
