// A vector of one float, for texts that are pure arithmetic on Vec (optim/*.h). Include inside
// `namespace dlrm::scalar { namespace {`, like simd_avx2.h.

using Vec = float;

DLRM_INLINE Vec set1(float x) { return x; }
DLRM_INLINE Vec sqrt(Vec a) { return __builtin_sqrtf(a); }
