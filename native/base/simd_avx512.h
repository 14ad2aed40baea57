// Vectors of 16 floats; see simd_avx2.h. Include inside `namespace dlrm::avx512 { namespace {` and a DLRM_TARGET_AVX512 region.

struct Vec {
  static constexpr int W = 16;
  __m512 v;
};

DLRM_INLINE __mmask16 tail_mask(int n) { return static_cast<__mmask16>((1u << n) - 1); }
DLRM_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
DLRM_INLINE Vec set1(float x) { return {_mm512_set1_ps(x)}; }
DLRM_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
DLRM_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
DLRM_INLINE Vec load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(tail_mask(n), p)}; }
DLRM_INLINE void store_n(float* p, Vec a, int n) { _mm512_mask_storeu_ps(p, tail_mask(n), a.v); }
DLRM_INLINE Vec first_n(Vec a, int n) { return {_mm512_maskz_mov_ps(tail_mask(n), a.v)}; }
DLRM_INLINE Vec last_n(Vec a, int n) { return {_mm512_maskz_mov_ps(static_cast<__mmask16>(~tail_mask(Vec::W - n)), a.v)}; }
DLRM_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
DLRM_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
DLRM_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
DLRM_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
DLRM_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
DLRM_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
DLRM_INLINE Vec nearest(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
DLRM_INLINE Vec times_pow2(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }
DLRM_INLINE Vec where_positive(Vec gate, Vec x) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate.v, _mm512_setzero_ps(), _CMP_GT_OQ), x.v)};
}
DLRM_INLINE Vec where_positive(Vec gate, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(gate.v, _mm512_setzero_ps(), _CMP_GT_OQ), y.v, x.v)};
}
DLRM_INLINE Vec where_bits(const uint8_t* bits, Vec x) {
  return {_mm512_maskz_mov_ps(static_cast<__mmask16>(bits[0] | bits[1] << 8), x.v)};
}
struct DoubleSum {
  __m512d low, high;
};
DLRM_INLINE DoubleSum zero_double() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
DLRM_INLINE void add(DoubleSum& s, Vec a) {
  s.low = _mm512_add_pd(s.low, _mm512_cvtps_pd(_mm512_castps512_ps256(a.v)));
  s.high = _mm512_add_pd(s.high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1)));
}
DLRM_INLINE void add_products(DoubleSum& s, Vec a, Vec b) {
  const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
  s.low = _mm512_fmadd_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(b.v)), s.low);
  s.high = _mm512_fmadd_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(b.v, 1)), s.high);
}
DLRM_INLINE double total(const DoubleSum& s) {
  const __m512d w = _mm512_add_pd(s.low, s.high);
  const __m256d h = _mm256_add_pd(_mm512_castpd512_pd256(w), _mm512_extractf64x4_pd(w, 1));
  const __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
  return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}
// Halves added in a fixed order: 16 -> 8 -> 4 -> 2 -> 1.
DLRM_INLINE float sum(Vec a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
DLRM_INLINE __m512 add_halves(__m512 x, __m512 y) {
  return _mm512_add_ps(_mm512_mask_blend_ps(0xCCCC, x, y), _mm512_shuffle_ps(x, y, 0x4E));
}
// The W x W matrix whose rows these are.
DLRM_INLINE void transpose(Vec (&rows)[Vec::W]) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {  // 4 x 4 in each quarter
      const __m512 r0 = rows[i].v, r1 = rows[i + 1].v, r2 = rows[i + 2].v, r3 = rows[i + 3].v;
      const __m512 a = j ? _mm512_unpackhi_ps(r0, r1) : _mm512_unpacklo_ps(r0, r1);
      const __m512 b = j ? _mm512_unpackhi_ps(r2, r3) : _mm512_unpacklo_ps(r2, r3);
      t[i + 2 * j] = _mm512_shuffle_ps(a, b, 0x44);
      t[i + 2 * j + 1] = _mm512_shuffle_ps(a, b, 0xee);
    }
  for (int i = 0; i < 4; ++i) {  // then the quarters
    const __m512 even_low = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
    const __m512 even_high = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    const __m512 odd_high = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    rows[i].v = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
    rows[i + 4].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
    rows[i + 8].v = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
    rows[i + 12].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
  }
}
// p[0..3] = the sums of a, b, c and d.
DLRM_INLINE void store_sums(float* p, Vec a, Vec b, Vec c, Vec d) {
  const __m512 x = add_halves(a.v, b.v), y = add_halves(c.v, d.v);
  const __m512 s = _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xDD));
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}
// Keeps the compiler from loading a again from memory at each use.
DLRM_INLINE void keep(Vec& a) { asm("" : "+v"(a.v)); }
