#include "ops/cin/cin.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "ops/cin/kernel.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const CinKernels cin_avx2 = {
    avx2::P,    avx2::kTileRows, avx2::load_fields, avx2::unload_fields,  avx2::pool,
    avx2::spread, avx2::mask,      avx2::forward,     avx2::input_gradient, avx2::weight_gradient,
};
}
#endif
