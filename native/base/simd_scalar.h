// A vector of one float, for texts that are pure arithmetic on Vec (optim/*.h). Include inside
// `namespace dlrm::scalar { namespace {`, like simd_avx2.h.

using Vec = float;

DLRM_INLINE Vec set1(float x) { return x; }
DLRM_INLINE Vec zero() { return 0; }
DLRM_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
DLRM_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
DLRM_INLINE Vec where_positive(Vec gate, Vec x) { return gate > 0 ? x : 0; }
DLRM_INLINE Vec where_positive(Vec gate, Vec x, Vec y) { return gate > 0 ? x : y; }
DLRM_INLINE Vec sqrt(Vec a) { return __builtin_sqrtf(a); }
