// One dot product at a time, vectorised over the width. Included once per ISA.

DLRM_INLINE float dot(const float* a, const float* b, int64_t n) {
  Vec acc = zero();
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) acc = fma(load(a + k), load(b + k), acc);
  if (k < n) acc = fma(load_n(a + k, static_cast<int>(n - k)), load_n(b + k, static_cast<int>(n - k)), acc);
  return sum(acc);
}

DLRM_INLINE void axpy(float scale, const float* x, float* y, int64_t n) {
  const Vec s = set1(scale);
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) store(y + k, fma(s, load(x + k), load(y + k)));
  const int rest = static_cast<int>(n - k);
  if (rest) store_n(y + k, fma(s, load_n(x + k, rest), load_n(y + k, rest)), rest);
}

DLRM_INLINE void copy(const float* x, float* y, int64_t n) {
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) store(y + k, load(x + k));
  if (k < n) store_n(y + k, load_n(x + k, static_cast<int>(n - k)), static_cast<int>(n - k));
}

void forward(const InteractionDotForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    const float* e = a.e.row(b);
    float* out = a.out.row(b);
    copy(x, out, a.width);
    out += a.width;
    for (int64_t i = 0; i <= a.tables; ++i) {
      const float* zi = i ? e + (i - 1) * a.width : x;
      for (int64_t j = 0; j < i + a.itself; ++j) *out++ = dot(zi, j ? e + (j - 1) * a.width : x, a.width);
    }
  }
}

void backward(const InteractionDotBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    const float* e = a.e.row(b);
    float* dx = a.dx ? a.dx.row(b) : nullptr;
    float* de = a.de ? a.de.row(b) : nullptr;
    const float* dout = a.dout.row(b);
    if (dx) copy(dout, dx, a.width);
    if (de)
      for (int64_t k = 0; k < a.tables * a.width; ++k) de[k] = 0;
    dout += a.width;
    for (int64_t i = 0; i <= a.tables; ++i) {
      const float* zi = i ? e + (i - 1) * a.width : x;
      float* dzi = i ? (de ? de + (i - 1) * a.width : nullptr) : dx;
      for (int64_t j = 0; j < i + a.itself; ++j, ++dout) {
        const float* zj = j ? e + (j - 1) * a.width : x;
        float* dzj = j ? (de ? de + (j - 1) * a.width : nullptr) : dx;
        if (dzi) axpy(*dout, zj, dzi, a.width);
        if (dzj) axpy(*dout, zi, dzj, a.width);
      }
    }
  }
}
