#include <algorithm>
#include <cmath>

#include "ops/sqrt/sqrt.h"

namespace dlrm {
namespace {

void forward(const View& out, const View& x, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < out.cols; ++k) out.row(b)[k] = std::sqrt(std::max(x.row(b)[k], 0.0f));
}

void backward(const View& dx, const View& dout, const View& out, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < out.cols; ++k) dx.row(b)[k] = out.row(b)[k] > 0 ? dout.row(b)[k] / (2 * out.row(b)[k]) : 0;
}

}  // namespace

const UnaryKernels sqrt_scalar = {forward, backward, 2};

}  // namespace dlrm
