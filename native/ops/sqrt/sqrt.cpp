#include "ops/sqrt/sqrt.h"

#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<UnaryKernels> kVariants = {{
    &sqrt_scalar,
    DLRM_X86(&sqrt_avx2),
    DLRM_X86(&sqrt_avx512),
}};

}  // namespace

std::unique_ptr<Op> make_sqrt(const MakeArgs& args) { return make_unary(args, kVariants); }

}  // namespace dlrm
