// Loads and stores of numbers that are narrower than a float. Include after simd_avx2.h. Like there, *_n touch n elements
// only unless they say more; what load_n* return behind them is finite if the row's numbers are.

// n 16-bit numbers, 1 to 7: pairs by a mask, the last one once more over its own place.
DLRM_INLINE __m128i load_16_n(const uint16_t* p, int n) {
  const __m128i lanes = _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7);
  const __m128i pairs = _mm_maskload_epi32(reinterpret_cast<const int*>(p), _mm_cmpgt_epi32(_mm_set1_epi32(n / 2), _mm_setr_epi32(0, 1, 2, 3)));
  const __m128i last = _mm_cmpeq_epi16(lanes, _mm_set1_epi16(static_cast<short>(n - 1)));
  return _mm_or_si128(pairs, _mm_and_si128(last, _mm_set1_epi16(static_cast<short>(p[n - 1]))));
}
DLRM_INLINE void store_16_n(uint16_t* p, __m128i h, int n) {
  if (n & 4) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), h);
    h = _mm_unpackhi_epi64(h, h);
    p += 4;
  }
  if (n & 2) {
    const int pair = _mm_cvtsi128_si32(h);
    __builtin_memcpy(p, &pair, 4);
    h = _mm_srli_si128(h, 4);
    p += 2;
  }
  if (n & 1) *p = static_cast<uint16_t>(_mm_extract_epi16(h, 0));
}
DLRM_INLINE __m128i load_16(const uint16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

DLRM_INLINE Vec widen_bf16(__m128i h) { return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16))}; }
DLRM_INLINE Vec load_bf16(const uint16_t* p) { return widen_bf16(load_16(p)); }
DLRM_INLINE Vec load_bf16_n(const uint16_t* p, int n) { return widen_bf16(load_16_n(p, n)); }
DLRM_INLINE Vec load_f16(const uint16_t* p) { return {_mm256_cvtph_ps(load_16(p))}; }
DLRM_INLINE Vec load_f16_n(const uint16_t* p, int n) { return {_mm256_cvtph_ps(load_16_n(p, n))}; }

DLRM_INLINE Vec widen_u8(__m128i bytes) { return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))}; }
DLRM_INLINE Vec load_u8(const uint8_t* p) { return widen_u8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
DLRM_INLINE Vec load_u8_n(const uint8_t* p, int) { return load_u8(p); }  // 8 bytes more than n may be read

// Nibbles, the lower one first.
DLRM_INLINE Vec load_u4(const uint8_t* p) {
  int word;
  __builtin_memcpy(&word, p, 4);
  const __m256i shifted = _mm256_srlv_epi32(_mm256_set1_epi32(word), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
  return {_mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(15)))};
}
DLRM_INLINE Vec load_u4_n(const uint8_t* p, int) { return load_u4(p); }  // 4 bytes more than n nibbles may be read

// base/half.h's rounding_word of columns [column, column + W).
DLRM_INLINE __m256i rounding_words(uint64_t row, int64_t column) {
  const __m256i columns = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(column)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  __m256i h = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(row)), _mm256_mullo_epi32(columns, _mm256_set1_epi32(static_cast<int>(0x9e3779b9u))));
  h = _mm256_mullo_epi32(_mm256_xor_si256(h, _mm256_srli_epi32(h, 16)), _mm256_set1_epi32(0x7feb352d));
  h = _mm256_xor_si256(h, _mm256_set1_epi32(static_cast<int>(row >> 32)));
  h = _mm256_mullo_epi32(_mm256_xor_si256(h, _mm256_srli_epi32(h, 15)), _mm256_set1_epi32(static_cast<int>(0x846ca68bu)));
  return _mm256_xor_si256(h, _mm256_srli_epi32(h, 16));
}

// Stochastic rounding, as base/half.h's.
DLRM_INLINE __m128i round_bf16(Vec x, __m256i random) {
  const __m256i bits = _mm256_castps_si256(x.v), infinity = _mm256_set1_epi32(0x7f800000);
  const __m256i finite = _mm256_cmpgt_epi32(infinity, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  const __m256i up = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_and_si256(finite, _mm256_srli_epi32(random, 16))), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
}
DLRM_INLINE __m128i round_f16(Vec x, __m256i random) {
  const __m256i bits = _mm256_castps_si256(x.v), m = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i fits = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x47800000), m), small = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x38800000), m);
  const __m256i low = _mm256_and_si256(fits, _mm256_srli_epi32(random, 19));
  const __m256 fixed = _mm256_add_ps(_mm256_castsi256_ps(m), _mm256_mul_ps(_mm256_cvtepi32_ps(low), _mm256_set1_ps(0x1p-37f)));
  const __m256 up = _mm256_blendv_ps(_mm256_castsi256_ps(_mm256_add_epi32(m, low)), fixed, _mm256_castsi256_ps(small));
  const __m256 sign = _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)), x.v);
  return _mm256_cvtps_ph(_mm256_or_ps(up, sign), _MM_FROUND_TO_ZERO);
}
DLRM_INLINE void store_16(uint16_t* p, __m128i h) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), h); }
