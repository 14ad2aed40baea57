// The activations that other ops apply to what they have just computed: those whose slope can be told from the output.
//   relu: max(0, z), slope [y > 0];  sigmoid: 1 / (1 + exp(-z)), slope y (1 - y);  tanh: slope 1 - y^2;  none
#pragma once
#include <cstdint>

#include "ops/op.h"

namespace dlrm {

enum class Activation : uint8_t { none, relu, sigmoid, tanh };

// Throws ERR_ARGUMENT unless the option is one of the four names.
Activation activation_attr(const MakeArgs& args, const char* attr, const char* fallback);

}  // namespace dlrm
