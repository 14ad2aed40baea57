// Precision of the factors of an op's products; parameters, sums and what flows between ops are float32 in either case.
//   bf16: every factor (input, weight, activation between layers, gradient from above) is rounded to bfloat16, to nearest, ties
//         to even; products are exact, sums are float32. Subnormal numbers (below 1.2e-38) may count as zero.
// Without instructions for bfloat16 (isa.h), factors are rounded as they are packed and kept as float32: the kernels of fp32 then
// compute just this, at their own speed.
#pragma once
#include "base/isa.h"
#include "ops/op.h"

namespace dlrm {

enum class Precision : uint8_t { fp32, bf16 };

// The option "precision", by default fp32. Throws ERR_ARGUMENT for another word.
Precision precision_attr(const MakeArgs& args);

struct RoundingKernels {
  void (*round)(const float* from, float* to, int64_t count);  // to may be from
};

extern const RoundingKernels rounding_scalar, rounding_avx2, rounding_avx512;
const RoundingKernels& rounding_kernels(Isa isa);

}  // namespace dlrm
