// dropout_row_bits with eight blocks of Philox at once. Include in a region of AVX2 or better.

struct Product {
  __m256i low, high;
};
// Of 8 words each.
DLRM_INLINE Product multiply(__m256i a, uint32_t factor) {
  const __m256i m = _mm256_set1_epi32(static_cast<int>(factor));
  const __m256i even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
  return {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA), _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA)};
}

// Byte h: which of the lanes' 16 bits are not below the threshold; `limit` is the threshold less 1.
DLRM_INLINE uint8_t lanes_kept(__m256i halves, __m256i limit) {
  return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(halves, limit))));
}

DLRM_INLINE void row_bits(const DropoutMask& mask, int64_t row, int64_t cols) {
  uint8_t* bits = mask.row(row);
  const int64_t groups = dropout_groups(cols);
  const __m256i limit = _mm256_set1_epi32(static_cast<int>(mask.drop_below) - 1), low = _mm256_set1_epi32(0xffff);
  for (int64_t g = 0; g < groups; ++g) {
    const uint64_t counter = static_cast<uint64_t>(row * groups + g) * 8;  // the lanes' low words do not carry
    __m256i c0 = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(counter)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c1 = _mm256_set1_epi32(static_cast<int>(counter >> 32));
    __m256i c2 = _mm256_set1_epi32(static_cast<int>(mask.step)), c3 = _mm256_set1_epi32(static_cast<int>(mask.step >> 32));
    uint32_t k0 = static_cast<uint32_t>(mask.key), k1 = static_cast<uint32_t>(mask.key >> 32);
    for (int round = 0; round < 10; ++round) {
      const Product a = multiply(c0, 0xD2511F53u), b = multiply(c2, 0xCD9E8D57u);
      c0 = _mm256_xor_si256(_mm256_xor_si256(b.high, c1), _mm256_set1_epi32(static_cast<int>(k0)));
      c1 = b.low;
      c2 = _mm256_xor_si256(_mm256_xor_si256(a.high, c3), _mm256_set1_epi32(static_cast<int>(k1)));
      c3 = a.low;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const __m256i words[4] = {c0, c1, c2, c3};
    for (int w = 0; w < 4; ++w) {
      bits[8 * g + 2 * w] = lanes_kept(_mm256_and_si256(words[w], low), limit);
      bits[8 * g + 2 * w + 1] = lanes_kept(_mm256_srli_epi32(words[w], 16), limit);
    }
  }
}
