// Bag by bag, W columns at a time; the rows of bags to come are prefetched. Included once per ISA after simd_<isa>.h.

constexpr int64_t kAhead = 8;  // lookups between prefetch and use

DLRM_INLINE Vec load_part(const float* p, int n) { return n == Vec::W ? load(p) : load_n(p, n); }
DLRM_INLINE void store_part(float* p, Vec a, int n) { return n == Vec::W ? store(p, a) : store_n(p, a, n); }

struct Sums {
  Vec q, r, product;
};

// Over a bag, of columns [e, e + n).
DLRM_INLINE Sums pool(const QrPair& p, int32_t begin, int32_t end, float mean, int64_t e, int n) {
  Sums s = {zero(), zero(), zero()};
  for (int32_t i = begin; i < end; ++i) {
    const Vec q = load_part(p.weight_q + p.indices_q[i] * p.q_stride + e, n);
    const Vec r = load_part(p.weight_r + p.indices_r[i] * p.r_stride + e, n);
    const Vec scale = set1(p.weights ? mean * p.weights[i] : mean);
    s.q = fma(scale, q, s.q);
    s.r = fma(scale, r, s.r);
    s.product = fma(scale, q * r, s.product);
  }
  return s;
}

DLRM_INLINE void prefetch_ahead(const QrPair& p, int64_t i) {
  if (i >= p.lookups) return;
  for (int64_t e = 0; e < p.width; e += 16) {
    __builtin_prefetch(p.weight_q + p.indices_q[i] * p.q_stride + e);
    __builtin_prefetch(p.weight_r + p.indices_r[i] * p.r_stride + e);
  }
}

DLRM_INLINE float mean_of(const QrPair& p, int32_t begin, int32_t end) {
  return p.mean && end > begin ? 1 / static_cast<float>(end - begin) : 1;
}

void forward(const QrForward& a, Range bags) {
  const QrPair p = a.pair;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int32_t begin = p.offsets[b], end = p.offsets[b + 1];
    const float mean = mean_of(p, begin, end);
    float* out = a.out + b * a.out_stride;
    for (int64_t i = begin; i < end; ++i) prefetch_ahead(p, i + kAhead);
    for (int64_t e = 0; e < p.width; e += Vec::W) {
      const int n = static_cast<int>(p.width - e < Vec::W ? p.width - e : Vec::W);
      const Sums s = pool(p, begin, end, mean, e, n);
      if (p.operation == QrOperation::concat) {
        store_part(out + e, s.q, n);
        store_part(out + p.width + e, s.r, n);
      } else {
        store_part(out + e, p.operation == QrOperation::add ? s.q + s.r : p.pool_first ? s.q * s.r : s.product, n);
      }
    }
  }
}

// Gradients of the rows of a bag, columns [e, e + n).
DLRM_INLINE void backward_part(const QrBackward& a, const QrPair& p, const float* dout, int32_t begin, int32_t end, int64_t e, int n) {
  const float mean = mean_of(p, begin, end);
  const bool mult = p.operation == QrOperation::mult, by_pool = mult && p.pool_first;
  const Sums s = by_pool ? pool(p, begin, end, mean, e, n) : Sums{zero(), zero(), zero()};
  const Vec dq = load_part(dout + e, n);
  const Vec dr = p.operation == QrOperation::concat ? load_part(dout + p.width + e, n) : dq;
  for (int32_t i = begin; i < end; ++i) {
    const Vec scale = set1(p.weights ? mean * p.weights[i] : mean);
    Vec of_q = set1(1), of_r = set1(1);
    if (mult) {
      of_q = by_pool ? s.r : load_part(p.weight_r + p.indices_r[i] * p.r_stride + e, n);
      of_r = by_pool ? s.q : load_part(p.weight_q + p.indices_q[i] * p.q_stride + e, n);
    }
    store_part(a.dlookup_q + i * p.width + e, scale * dq * of_q, n);
    store_part(a.dlookup_r + i * p.width + e, scale * dr * of_r, n);
  }
}

void backward(const QrBackward& a, Range bags) {
  const QrPair p = a.pair;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int32_t begin = p.offsets[b], end = p.offsets[b + 1];
    if (p.operation == QrOperation::mult)
      for (int64_t i = begin; i < end; ++i) prefetch_ahead(p, i + kAhead);
    for (int64_t e = 0; e < p.width; e += Vec::W)
      backward_part(a, p, a.dout + b * a.dout_stride, begin, end, e, static_cast<int>(p.width - e < Vec::W ? p.width - e : Vec::W));
  }
}
