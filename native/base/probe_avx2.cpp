#include "base/probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX2
namespace dlrm::avx2 {
namespace {
#include "base/simd_avx2.h"
#include "base/probe.inl"
}  // namespace
}  // namespace dlrm::avx2
DLRM_TARGET_END

namespace dlrm {
const ProbeKernels probe_avx2 = {2 * 10 * avx2::Vec::W, avx2::fma_loop, avx2::read_loop, avx2::gather_loop, avx2::update_loop};
}
#endif
