// Vectors of 8 floats. Include inside `namespace dlrm::avx2 { namespace {` and a DLRM_TARGET_AVX2 region: every ISA's
// header declares the same names, so that one kernel text (ops/*/kernel.inl) serves all of them.

struct Vec {
  static constexpr int W = 8;
  __m256 v;
};

DLRM_INLINE __m256i tail_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
DLRM_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
DLRM_INLINE Vec set1(float x) { return {_mm256_set1_ps(x)}; }
DLRM_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
DLRM_INLINE void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }
// The first n (0 to W) elements; the rest reads as 0, is not written, and is not touched.
DLRM_INLINE Vec load_n(const float* p, int n) { return {_mm256_maskload_ps(p, tail_mask(n))}; }
DLRM_INLINE void store_n(float* p, Vec a, int n) { _mm256_maskstore_ps(p, tail_mask(n), a.v); }
// The first n elements of a, then zeros.
DLRM_INLINE Vec first_n(Vec a, int n) { return {_mm256_and_ps(a.v, _mm256_castsi256_ps(tail_mask(n)))}; }
// The last n elements of a, behind zeros.
DLRM_INLINE Vec last_n(Vec a, int n) { return {_mm256_andnot_ps(_mm256_castsi256_ps(tail_mask(Vec::W - n)), a.v)}; }
DLRM_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
DLRM_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
DLRM_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
DLRM_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }  // min, max: b if either is NaN
DLRM_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
DLRM_INLINE Vec nearest(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// a * 2^n for integral n in [-126, 127].
DLRM_INLINE Vec times_pow2(Vec a, Vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
}
// x where gate > 0, else 0.
DLRM_INLINE Vec where_positive(Vec gate, Vec x) {
  return {_mm256_and_ps(_mm256_cmp_ps(gate.v, _mm256_setzero_ps(), _CMP_GT_OQ), x.v)};
}
// x where gate > 0, else y (also where gate is NaN).
DLRM_INLINE Vec where_positive(Vec gate, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(gate.v, _mm256_setzero_ps(), _CMP_GT_OQ))};
}
// x where the bit is set, else 0; one bit per element.
DLRM_INLINE Vec where_bits(const uint8_t* bits, Vec x) {
  const __m256i one_each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i own = _mm256_and_si256(_mm256_set1_epi32(*bits), one_each);
  return {_mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(own, one_each)), x.v)};
}
// A sum of floats in double.
struct DoubleSum {
  __m256d low, high;
};
DLRM_INLINE DoubleSum zero_double() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
DLRM_INLINE void add(DoubleSum& s, Vec a) {
  s.low = _mm256_add_pd(s.low, _mm256_cvtps_pd(_mm256_castps256_ps128(a.v)));
  s.high = _mm256_add_pd(s.high, _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1)));
}
DLRM_INLINE void add_products(DoubleSum& s, Vec a, Vec b) {
  const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
  s.low = _mm256_fmadd_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(b.v)), s.low);
  s.high = _mm256_fmadd_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(b.v, 1)), s.high);
}
DLRM_INLINE double total(const DoubleSum& s) {
  const __m256d h = _mm256_add_pd(s.low, s.high);
  const __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
  return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}
DLRM_INLINE float sum(Vec a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
DLRM_INLINE __m256 add_halves(__m256 x, __m256 y) {
  return _mm256_add_ps(_mm256_blend_ps(x, y, 0xCC), _mm256_shuffle_ps(x, y, 0x4E));
}
// p[0..3] = the sums of a, b, c and d.
DLRM_INLINE void store_sums(float* p, Vec a, Vec b, Vec c, Vec d) {
  const __m256 x = add_halves(a.v, b.v), y = add_halves(c.v, d.v);
  const __m256 s = _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x88), _mm256_shuffle_ps(x, y, 0xDD));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}
// The W x W matrix whose rows these are.
DLRM_INLINE void transpose(Vec (&rows)[Vec::W]) {
  __m256 t[8];
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {  // 4 x 4 in each half
      const __m256 r0 = rows[i].v, r1 = rows[i + 1].v, r2 = rows[i + 2].v, r3 = rows[i + 3].v;
      const __m256 a = j ? _mm256_unpackhi_ps(r0, r1) : _mm256_unpacklo_ps(r0, r1);
      const __m256 b = j ? _mm256_unpackhi_ps(r2, r3) : _mm256_unpacklo_ps(r2, r3);
      t[i + 2 * j] = _mm256_shuffle_ps(a, b, 0x44);
      t[i + 2 * j + 1] = _mm256_shuffle_ps(a, b, 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    rows[i].v = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    rows[i + 4].v = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}
// Keeps the compiler from loading a again from memory at each use.
DLRM_INLINE void keep(Vec& a) { asm("" : "+x"(a.v)); }
