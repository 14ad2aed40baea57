// An activation on its own: out = f(x), element by element.
//   x, out [B,N] f32;  weight [N], prelu only
//   relu     max(0, x)
//   prelu    x where x > 0, else weight x (He et al. 2015), one learned slope per column
//   gelu     x Phi(x), Phi the normal distribution function, not its tanh approximation (Hendrycks & Gimpel 2016)
//   sigmoid  1 / (1 + exp(-x));  tanh
// Backward: dx = dout f'(x), told from out for relu, sigmoid and tanh;
//   dweight = sum over the batch of dout x where x <= 0, in chunks of rows added in their order
#pragma once
#include <cstdint>

#include "base/view.h"

namespace dlrm {

enum class ActivationKind : uint8_t { relu, prelu, gelu, sigmoid, tanh };

struct ActivationForward {
  View out;
  View x;
  const float* weight;
};

struct ActivationBackward {
  View dx;            // or null
  View dout, source;  // source: x of prelu and gelu, out of the others
  const float* weight;
};

// Of rows [rows.begin, rows.end).
struct ActivationKernels {
  void (*forward)(ActivationKind, const ActivationForward&, Range rows);
  // Of prelu also the sum over these rows, [N].
  void (*backward)(ActivationKind, const ActivationBackward&, Range rows, float* dweight);
  double ns;  // of one element of the dearer ones, about
};

extern const ActivationKernels activation_scalar, activation_avx2, activation_avx512;

}  // namespace dlrm
