// The activations that other ops apply to what they have just computed: those whose slope can be told from the output.
//   relu: max(0, z), slope [y > 0];  sigmoid: 1 / (1 + exp(-z)), slope y (1 - y);  tanh: slope 1 - y^2;  none
#pragma once
#include <cmath>
#include <cstdint>

#include "ops/op.h"

namespace dlrm {

enum class Activation : uint8_t { none, relu, sigmoid, tanh };

// Throws ERR_ARGUMENT unless the option is one of the four names.
Activation activation_attr(const MakeArgs& args, const char* attr, const char* fallback);

// For the scalar variants.
inline float activate(Activation activation, float z) {
  switch (activation) {
    case Activation::relu: return z < 0 ? 0 : z;
    case Activation::sigmoid: return 1 / (1 + std::exp(-z));
    case Activation::tanh: return std::tanh(z);
    default: return z;
  }
}

inline float slope_at_output(Activation activation, float y) {
  switch (activation) {
    case Activation::relu: return y > 0 ? 1.0f : 0.0f;
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    default: return 1;
  }
}

}  // namespace dlrm
