#include "ops/precision.h"

#include "base/bf16.h"
#include "base/error.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<RoundingKernels> kVariants = {{
    &rounding_scalar,
    DLRM_X86(&rounding_avx2),
    DLRM_X86(&rounding_avx512),
}};

void round(const float* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = from_bf16(to_bf16(from[i]));
}

}  // namespace

const RoundingKernels rounding_scalar = {round};

const RoundingKernels& rounding_kernels(Isa isa) { return kVariants.pick(isa); }

Precision precision_attr(const MakeArgs& args) {
  const std::string name = args.attrs.text(args.op, "precision", "fp32");
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  fail(Code::argument, "[%s] %s: precision: expected fp32 or bf16, received \"%s\"", args.op, args.name.c_str(), name.c_str());
}

}  // namespace dlrm
