// One optimizer step (optim/*.h) of a dense tensor, in place.
//   w, g [n] f32: the weights and their gradient; state[i] [n] f32: the rule's states, in the order of Rule::states
#pragma once
#include <cstddef>

#include "base/isa.h"
#include "base/view.h"
#include "cuda/plugin.h"
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

struct DenseUpdateTensor {
  float* w;
  const float* g;  // null: the tensor stays as it is
  float* state[2];
  int64_t n;
};

struct DenseUpdateCuda {
  // rule lies in device memory; its scale counts unless scale_at has another.
  void (*update)(const DenseUpdateTensor*, int64_t count, RuleKind, const RuleStep* rule, const float* scale_at, CudaStream);
  size_t (*scratch_bytes)(const DenseUpdateTensor*, int64_t count);  // of squares
  void (*squares)(const DenseUpdateTensor*, int64_t count, double* total, void* scratch, CudaStream);  // *total += sum of g^2
};

extern const DenseUpdateCuda dense_update_cuda;
extern const DenseUpdateKernels dense_update_scalar, dense_update_avx2, dense_update_avx512;

}  // namespace dlrm
