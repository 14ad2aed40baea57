#include "ops/mul/mul.h"

namespace dlrm {
namespace {

void multiply(const View& to, const View& x, const View& y, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < to.cols; ++k) to.row(b)[k] = x.row(b)[k] * y.row(b)[k];
}

}  // namespace

const MulKernels mul_scalar = {multiply};

}  // namespace dlrm
