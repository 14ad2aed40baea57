// Included per ISA after simd_*.h. Ten chains hide the latency of a fused multiply-add (4 cycles, 2 a cycle) within 16
// registers; loads need as many in flight.

float fma_loop(int64_t rounds) {
  const Vec m = set1(0.999f), a = set1(1e-3f);
  Vec s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a;
  for (Vec* s : {&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7, &s8, &s9}) keep(*s);  // else equal chains become one
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = fma(s0, m, a), s1 = fma(s1, m, a), s2 = fma(s2, m, a), s3 = fma(s3, m, a), s4 = fma(s4, m, a);
    s5 = fma(s5, m, a), s6 = fma(s6, m, a), s7 = fma(s7, m, a), s8 = fma(s8, m, a), s9 = fma(s9, m, a);
  }
  return sum(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9);
}

float read_loop(const float* data, int64_t floats) {
  Vec s0 = zero(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (int64_t i = 0; i + 8 * Vec::W <= floats; i += 8 * Vec::W) {
    const float* p = data + i;
    s0 = s0 + load(p), s1 = s1 + load(p + Vec::W), s2 = s2 + load(p + 2 * Vec::W), s3 = s3 + load(p + 3 * Vec::W);
    s4 = s4 + load(p + 4 * Vec::W), s5 = s5 + load(p + 5 * Vec::W), s6 = s6 + load(p + 6 * Vec::W), s7 = s7 + load(p + 7 * Vec::W);
  }
  return sum(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7);
}

constexpr int64_t kLine = 16;

float gather_loop(const float* table, int64_t width, const int32_t* rows, int64_t count, int64_t ahead) {
  Vec s0 = zero(), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t i = 0; i < count; ++i) {
    if (ahead && i + ahead < count) {
      const float* next = table + rows[i + ahead] * width;
      for (int64_t k = 0; k < width; k += kLine) __builtin_prefetch(next + k);
      if (width % kLine) __builtin_prefetch(next + width - 1);  // the row may end in one line more
    }
    const float* row = table + rows[i] * width;
    int64_t k = 0;
    for (; k + 4 * Vec::W <= width; k += 4 * Vec::W) {
      s0 = s0 + load(row + k), s1 = s1 + load(row + k + Vec::W);
      s2 = s2 + load(row + k + 2 * Vec::W), s3 = s3 + load(row + k + 3 * Vec::W);
    }
    for (; k + Vec::W <= width; k += Vec::W) s0 = s0 + load(row + k);
    if (k < width) s1 = s1 + load_n(row + k, static_cast<int>(width - k));
  }
  return sum(s0 + s1 + s2 + s3);
}

float update_loop(float* table, int64_t width, const int32_t* rows, int64_t count, int64_t ahead) {
  const Vec a = set1(1e-3f);
  for (int64_t i = 0; i < count; ++i) {
    if (ahead && i + ahead < count) {
      const float* next = table + rows[i + ahead] * width;
      for (int64_t k = 0; k < width; k += kLine) __builtin_prefetch(next + k, 1);
      if (width % kLine) __builtin_prefetch(next + width - 1, 1);
    }
    float* row = table + rows[i] * width;
    int64_t k = 0;
    for (; k + Vec::W <= width; k += Vec::W) store(row + k, load(row + k) + a);
    if (k < width) store_n(row + k, load_n(row + k, static_cast<int>(width - k)) + a, static_cast<int>(width - k));
  }
  return table[0];
}
