#include <cmath>

#include "ops/activation/activation.h"

namespace dlrm {
namespace {

float phi(float x) { return 0.5f * std::erfc(-x * 0.70710678f); }

float value(ActivationKind kind, float x, float weight) {
  switch (kind) {
    case ActivationKind::relu: return x < 0 ? 0 : x;
    case ActivationKind::prelu: return x > 0 ? x : weight * x;
    case ActivationKind::gelu: return x * phi(x);
    case ActivationKind::sigmoid: return 1 / (1 + std::exp(-x));
    default: return std::tanh(x);
  }
}

// At x or out, as ActivationBackward says.
float slope(ActivationKind kind, float at, float weight) {
  switch (kind) {
    case ActivationKind::relu: return at > 0 ? 1.0f : 0.0f;
    case ActivationKind::prelu: return at > 0 ? 1 : weight;
    case ActivationKind::gelu: return phi(at) + at * std::exp(-at * at / 2) * 0.39894228f;
    case ActivationKind::sigmoid: return at * (1 - at);
    default: return 1 - at * at;
  }
}

void forward(ActivationKind kind, const ActivationForward& a, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b)
    for (int64_t k = 0; k < a.x.cols; ++k) a.out.row(b)[k] = value(kind, a.x.row(b)[k], a.weight ? a.weight[k] : 0);
}

void backward(ActivationKind kind, const ActivationBackward& a, Range rows, float* dweight) {
  for (int64_t k = 0; dweight && k < a.source.cols; ++k) {
    dweight[k] = 0;
    for (int64_t b = rows.begin; b < rows.end; ++b)
      if (!(a.source.row(b)[k] > 0)) dweight[k] += a.dout.row(b)[k] * a.source.row(b)[k];
  }
  for (int64_t b = rows.begin; a.dx && b < rows.end; ++b)
    for (int64_t k = 0; k < a.source.cols; ++k)
      a.dx.row(b)[k] = a.dout.row(b)[k] * slope(kind, a.source.row(b)[k], a.weight ? a.weight[k] : 0);
}

}  // namespace

const ActivationKernels activation_scalar = {forward, backward, 12};

}  // namespace dlrm
