#include "ops/exp/exp.h"

#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<UnaryKernels> kVariants = {{
    &exp_scalar,
    DLRM_X86(&exp_avx2),
    DLRM_X86(&exp_avx512),
}};

}  // namespace

std::unique_ptr<Op> make_exp(const MakeArgs& args) { return make_unary(args, kVariants); }

}  // namespace dlrm
