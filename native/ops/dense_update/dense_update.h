// One optimizer step (optim/*.h) of a dense tensor, in place.
//   w, g [n] f32: the weights and their gradient; state[i] [n] f32: the rule's states, in the order of Rule::states
#pragma once
#include "base/isa.h"
#include "base/view.h"
#include "optim/rule_step.h"

namespace dlrm {

struct DenseUpdateArgs {
  float* w;
  const float* g;
  float* state[2];
  RuleStep rule;
};

struct DenseUpdateKernels {
  void (*update)(const DenseUpdateArgs&, Range);   // weights [range.begin, range.end)
  double (*squares)(const float* g, int64_t n);    // sum of g^2
};

extern const DenseUpdateKernels dense_update_scalar, dense_update_avx2, dense_update_avx512;

}  // namespace dlrm
