#include "ops/cin/cin.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "ops/cin/kernel.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const CinKernels cin_avx512 = {
    avx512::P,    avx512::kTileRows, avx512::load_fields, avx512::unload_fields,  avx512::pool,
    avx512::spread, avx512::mask,      avx512::forward,     avx512::input_gradient, avx512::weight_gradient,
};
}
#endif
