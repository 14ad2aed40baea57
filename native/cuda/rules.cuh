// The optimizers' formulas (optim/*.h) on the device: rule::Adam(step)(w, g, state) for one weight.
#pragma once
#include "cuda/device.cuh"
#include "optim/rule_step.h"

namespace dlrm::cuda::rule {

#include "base/simd_scalar.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/ftrl.h"
#include "optim/rowwise_adagrad.h"
#include "optim/sgd.h"

}  // namespace dlrm::cuda::rule
