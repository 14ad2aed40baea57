// One pass over the row forward; backward a second one over what is still in the cache. Included once per ISA.

template <int V>
DLRM_INLINE void pairs_of(const float* x, const FmPairForward& a, Span<V> span, Vec (&pairs)[Span<V>::kVecs]) {
  Vec sum[Span<V>::kVecs];
  DLRM_UNROLL
  for (int c = 0; c < span.kVecs; ++c) {
    sum[c] = span.load_at(x, c);
    pairs[c] = zero();
  }
  const float* end = x + a.fields * a.width;
  for (const float* v = x + a.width; v != end; v += a.width) {
    DLRM_UNROLL
    for (int c = 0; c < span.kVecs; ++c) {
      const Vec next = span.load_at(v, c);
      pairs[c] = fma(sum[c], next, pairs[c]);
      sum[c] = sum[c] + next;
    }
  }
}

void forward(const FmPairForward& given, Range range) {
  const FmPairForward a = given;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float* out = a.out.row(b);
    Vec total = zero();
    each_span(a.width, [&](auto span) {
      Vec pairs[span.kVecs];
      pairs_of(x, a, span, pairs);
      DLRM_UNROLL
      for (int c = 0; c < span.kVecs; ++c) {
        if (a.vector)
          span.store_at(out, c, pairs[c], out);
        else
          total = total + span.only_fresh(pairs[c], c);
      }
    });
    if (!a.vector) *out = sum(total);
  }
}

void backward(const FmPairBackward& given, Range range) {
  const FmPairBackward a = given;
  const int64_t cols = a.fields * a.width;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), *dout = a.dout.row(b);
    float* dx = a.dx.row(b);
    each_span(a.width, [&](auto span) {
      Vec sum[span.kVecs], slope[span.kVecs];
      DLRM_UNROLL
      for (int c = 0; c < span.kVecs; ++c) {
        sum[c] = span.load_at(x, c);
        slope[c] = a.vector ? span.load_at(dout, c) : set1(*dout);
      }
      for (int64_t f = a.width; f < cols; f += a.width) {
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c) sum[c] = sum[c] + span.load_at(x + f, c);
      }
      for (int64_t f = 0; f < cols; f += a.width) {
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c)
          span.store_at(dx + f, c, slope[c] * (sum[c] - span.load_at(x + f, c)), dx + cols);
      }
    });
  }
}
