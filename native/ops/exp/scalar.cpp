#include <algorithm>
#include <cmath>

#include "ops/exp/exp.h"

namespace dlrm {
namespace {

void forward(const View& out, const View& x, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < out.cols; ++k) out.row(b)[k] = std::exp(std::min(std::max(x.row(b)[k], -87.0f), 88.0f));
}

void backward(const View& dx, const View& dout, const View& out, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < out.cols; ++k) dx.row(b)[k] = out.row(b)[k] * dout.row(b)[k];
}

}  // namespace

const UnaryKernels exp_scalar = {forward, backward, 4};

}  // namespace dlrm
