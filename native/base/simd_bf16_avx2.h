// bfloat16 in vectors: see bf16.h. Include after simd_avx2.h, in the same region.

// The rounded values in the upper halves of the 32-bit elements; the lower halves are of no use.
DLRM_INLINE __m256i rounded_bits(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet),
                                              _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)));
}
// To nearest, ties to even.
DLRM_INLINE Vec round_bf16(Vec a) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(rounded_bits(a), upper))};
}
