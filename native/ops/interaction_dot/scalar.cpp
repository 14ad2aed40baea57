#include "ops/interaction_dot/interaction_dot.h"

namespace dlrm {
namespace {

InteractionVectors vectors_of(const View& x, const View& e, int64_t b, int64_t width) {
  return {x ? x.row(b) : nullptr, e.row(b), width};
}

void forward(const InteractionDotForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const InteractionVectors z = vectors_of(a.x, a.e, b, a.width);
    float* out = a.out.row(b);
    for (int64_t k = 0; a.x && k < a.width; ++k) *out++ = z[0][k];
    for (int64_t i = 0; i < a.vectors; ++i) {
      for (int64_t j = 0; j < i + a.itself; ++j) {
        float dot = 0;
        for (int64_t k = 0; k < a.width; ++k) dot += z[i][k] * z[j][k];
        *out++ = dot;
      }
    }
  }
}

void backward(const InteractionDotBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const InteractionVectors z = vectors_of(a.x, a.e, b, a.width);
    const auto gradient_of = [&](int64_t i) -> float* {
      if (a.x && i == 0) return a.dx ? a.dx.row(b) : nullptr;
      return a.de ? a.de.row(b) + (i - (a.x ? 1 : 0)) * a.width : nullptr;
    };
    const float* dout = a.dout.row(b);
    for (int64_t i = 0; i < a.vectors; ++i)
      if (float* dz = gradient_of(i))
        for (int64_t k = 0; k < a.width; ++k) dz[k] = a.x && i == 0 ? dout[k] : 0;
    if (a.x) dout += a.width;
    for (int64_t i = 0; i < a.vectors; ++i) {
      for (int64_t j = 0; j < i + a.itself; ++j, ++dout) {
        float *dzi = gradient_of(i), *dzj = gradient_of(j);
        for (int64_t k = 0; dzi && k < a.width; ++k) dzi[k] += *dout * z[j][k];
        for (int64_t k = 0; dzj && k < a.width; ++k) dzj[k] += *dout * z[i][k];
      }
    }
  }
}

}  // namespace

const InteractionDotKernels interaction_dot_scalar = {forward, backward};

}  // namespace dlrm
