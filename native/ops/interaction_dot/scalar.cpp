#include "ops/interaction_dot/interaction_dot.h"

namespace dlrm {
namespace {

const float* vector_of(const View& x, const View& e, int64_t b, int64_t f, int64_t width) {
  return f == 0 ? x.row(b) : e.row(b) + (f - 1) * width;
}

void forward(const InteractionDotForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    float* out = a.out.row(b);
    for (int64_t k = 0; k < a.width; ++k) *out++ = a.x.row(b)[k];
    for (int64_t i = 0; i <= a.tables; ++i) {
      for (int64_t j = 0; j < i + a.itself; ++j) {
        const float* zi = vector_of(a.x, a.e, b, i, a.width);
        const float* zj = vector_of(a.x, a.e, b, j, a.width);
        float dot = 0;
        for (int64_t k = 0; k < a.width; ++k) dot += zi[k] * zj[k];
        *out++ = dot;
      }
    }
  }
}

void backward(const InteractionDotBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const auto gradient_of = [&](int64_t f) -> float* {
      const View& d = f == 0 ? a.dx : a.de;
      if (!d) return nullptr;
      return f == 0 ? d.row(b) : d.row(b) + (f - 1) * a.width;
    };
    const float* dout = a.dout.row(b);
    for (int64_t f = 0; f <= a.tables; ++f)
      if (float* dz = gradient_of(f))
        for (int64_t k = 0; k < a.width; ++k) dz[k] = f == 0 ? dout[k] : 0;
    dout += a.width;
    for (int64_t i = 0; i <= a.tables; ++i) {
      for (int64_t j = 0; j < i + a.itself; ++j, ++dout) {
        const float* zi = vector_of(a.x, a.e, b, i, a.width);
        const float* zj = vector_of(a.x, a.e, b, j, a.width);
        if (float* dzi = gradient_of(i))
          for (int64_t k = 0; k < a.width; ++k) dzi[k] += *dout * zj[k];
        if (float* dzj = gradient_of(j))
          for (int64_t k = 0; k < a.width; ++k) dzj[k] += *dout * zi[k];
      }
    }
  }
}

}  // namespace

const InteractionDotKernels interaction_dot_scalar = {forward, backward};

}  // namespace dlrm
