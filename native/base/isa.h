// Which instruction set the kernels use, chosen at run time.
#pragma once

namespace dlrm {

// Each has all of those before it.
//   avx2         with FMA and F16C
//   avx512       F, BW, VL, DQ
//   avx512_bf16  products of bfloat16 pairs (Cooper Lake, Zen 4)
//   amx          tiles of bfloat16 (Sapphire Rapids)
enum class Isa { scalar, avx2, avx512, avx512_bf16, amx };
constexpr int kIsaCount = 5;

const char* isa_name(Isa isa);

// Throws ERR_ARGUMENT for a name that is none of these, or for a set this machine lacks.
Isa isa_from_name(const char* name);

// The best set of this machine (CPU and operating system). The first call asks Linux for the use of AMX's tiles.
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
