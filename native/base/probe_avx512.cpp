#include "base/probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512
namespace dlrm::avx512 {
namespace {
#include "base/simd_avx512.h"
#include "base/probe.inl"
}  // namespace
}  // namespace dlrm::avx512
DLRM_TARGET_END

namespace dlrm {
const ProbeKernels probe_avx512 = {2 * 10 * avx512::Vec::W, avx512::fma_loop, avx512::read_loop, avx512::gather_loop, avx512::update_loop};
}
#endif
