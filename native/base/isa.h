// Which instruction set the kernels use, chosen at run time.
#pragma once

namespace dlrm {

enum class Isa { scalar, avx2, avx512 };
constexpr int kIsaCount = 3;

const char* isa_name(Isa isa);

// Throws ERR_ARGUMENT for a name that is none of scalar, avx2, avx512, or for a set this machine lacks.
Isa isa_from_name(const char* name);

// The best set of this machine (CPU and operating system).
Isa best_isa();

// best_isa(), lowered by the environment variable DLRM_ISA. Throws ERR_ARGUMENT if DLRM_ISA is not a known name.
Isa default_isa();

// One row per instruction set; a null entry falls back to the next lower one. `scalar` is never null.
template <class Kernels>
struct VariantTable {
  const Kernels* variants[kIsaCount];
  const Kernels& pick(Isa isa) const {
    int i = static_cast<int>(isa);
    while (i > 0 && !variants[i]) --i;
    return *variants[i];
  }
};

}  // namespace dlrm
