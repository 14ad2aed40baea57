#include "ops/mlp/mlp.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"
#include "ops/mlp/kernel.inl"
#include "ops/mlp/sparse.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const MlpKernels mlp_avx512 = {
    avx512::P, avx512::pack_transposed, avx512::pack, avx512::load_rows, avx512::output_gradient,
    avx512::product, avx512::weight_gradient,
    {avx512::load_panel, avx512::store_panel, avx512::sparse_panel, avx512::sparse_example},
};
}
#endif
