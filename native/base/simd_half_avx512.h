// See simd_half_avx2.h; include after simd_avx512.h.

DLRM_INLINE __m256i load_16(const uint16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
DLRM_INLINE __m256i load_16_n(const uint16_t* p, int n) { return _mm256_maskz_loadu_epi16(tail_mask(n), p); }
DLRM_INLINE void store_16(uint16_t* p, __m256i h) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), h); }
DLRM_INLINE void store_16_n(uint16_t* p, __m256i h, int n) { _mm256_mask_storeu_epi16(p, tail_mask(n), h); }

DLRM_INLINE Vec widen_bf16(__m256i h) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))}; }
DLRM_INLINE Vec load_bf16(const uint16_t* p) { return widen_bf16(load_16(p)); }
DLRM_INLINE Vec load_bf16_n(const uint16_t* p, int n) { return widen_bf16(load_16_n(p, n)); }
DLRM_INLINE Vec load_f16(const uint16_t* p) { return {_mm512_cvtph_ps(load_16(p))}; }
DLRM_INLINE Vec load_f16_n(const uint16_t* p, int n) { return {_mm512_cvtph_ps(load_16_n(p, n))}; }

DLRM_INLINE Vec widen_u8(__m128i bytes) { return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))}; }
DLRM_INLINE Vec load_u8(const uint8_t* p) { return widen_u8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
DLRM_INLINE Vec load_u8_n(const uint8_t* p, int n) { return widen_u8(_mm_maskz_loadu_epi8(tail_mask(n), p)); }

DLRM_INLINE Vec widen_u4(__m128i bytes) {  // 8 of them
  const __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi32(_mm_cvtsi128_si32(bytes))),
                                           _mm256_set1_epi32(_mm_extract_epi32(bytes, 1)), 1);
  const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  return {_mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srlv_epi32(words, shifts), _mm512_set1_epi32(15)))};
}
DLRM_INLINE Vec load_u4(const uint8_t* p) { return widen_u4(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
DLRM_INLINE Vec load_u4_n(const uint8_t* p, int n) { return widen_u4(_mm_maskz_loadu_epi8(tail_mask((n + 1) / 2), p)); }

DLRM_INLINE __m512i rounding_words(uint64_t row, int64_t column) {
  const __m512i columns = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(column)),
                                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  __m512i h = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(row)), _mm512_mullo_epi32(columns, _mm512_set1_epi32(static_cast<int>(0x9e3779b9u))));
  h = _mm512_mullo_epi32(_mm512_xor_si512(h, _mm512_srli_epi32(h, 16)), _mm512_set1_epi32(0x7feb352d));
  h = _mm512_xor_si512(h, _mm512_set1_epi32(static_cast<int>(row >> 32)));
  h = _mm512_mullo_epi32(_mm512_xor_si512(h, _mm512_srli_epi32(h, 15)), _mm512_set1_epi32(static_cast<int>(0x846ca68bu)));
  return _mm512_xor_si512(h, _mm512_srli_epi32(h, 16));
}

DLRM_INLINE __m256i round_bf16(Vec x, __m512i random) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __mmask16 finite = _mm512_cmplt_epi32_mask(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)), _mm512_set1_epi32(0x7f800000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_add_epi32(bits, finite, bits, _mm512_srli_epi32(random, 16)), 16));
}
DLRM_INLINE __m256i round_f16(Vec x, __m512i random) {
  const __m512i bits = _mm512_castps_si512(x.v), m = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
  const __mmask16 fits = _mm512_cmplt_epi32_mask(m, _mm512_set1_epi32(0x47800000)), small = _mm512_cmplt_epi32_mask(m, _mm512_set1_epi32(0x38800000));
  const __m512i low = _mm512_maskz_srli_epi32(fits, random, 19);
  const __m512 fixed = _mm512_add_ps(_mm512_castsi512_ps(m), _mm512_mul_ps(_mm512_cvtepi32_ps(low), _mm512_set1_ps(0x1p-37f)));
  const __m512 up = _mm512_mask_blend_ps(small, _mm512_castsi512_ps(_mm512_add_epi32(m, low)), fixed);
  const __m512 sign = _mm512_andnot_ps(_mm512_castsi512_ps(_mm512_set1_epi32(0x7fffffff)), x.v);
  return _mm512_cvtps_ph(_mm512_or_ps(up, sign), _MM_FROUND_TO_ZERO);
}
