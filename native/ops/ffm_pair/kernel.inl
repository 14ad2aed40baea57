// Included once per ISA after ops/fields.inl.

template <int V, int N>
DLRM_INLINE void add_product(Vec (&total)[N], const float* v, const float* w, Span<V> span) {
  DLRM_UNROLL
  for (int c = 0; c < N; ++c) total[c] = fma(span.load_at(v, c), span.load_at(w, c), total[c]);
}

void forward(const FfmPairForward& given, Range range) {
  const FfmPairForward a = given;
  const int64_t width = a.width, row = (a.fields - 1) * width;  // the vectors of one field
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    Vec all = zero();
    each_span(width, [&](auto span) {
      Vec even[span.kVecs], odd[span.kVecs];  // two sums: an addition takes longer than the loads for it
      DLRM_UNROLL
      for (int c = 0; c < span.kVecs; ++c) even[c] = odd[c] = zero();
      for (int64_t i = 1; i < a.fields; ++i) {
        const float *v = x + i * row, *w = x + (i - 1) * width;  // v_i,j and v_j,i for j = 0, 1, ...
        int64_t j = 0;
        for (; j + 2 <= i; j += 2, v += 2 * width, w += 2 * row) {
          add_product(even, v, w, span);
          add_product(odd, v + width, w + row, span);
        }
        if (j < i) add_product(even, v, w, span);
      }
      DLRM_UNROLL
      for (int c = 0; c < span.kVecs; ++c) all = all + span.only_fresh(even[c] + odd[c], c);
    });
    *a.out.row(b) = sum(all);
  }
}

void backward(const FfmPairBackward& given, Range range) {
  const FfmPairBackward a = given;
  const int64_t width = a.width, row = (a.fields - 1) * width;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), *end = a.dx.row(b) + a.fields * row;
    const Vec dout = set1(*a.dout.row(b));
    each_span(width, [&](auto span) {
      float* dv = a.dx.row(b);
      const auto scale = [&](const float* w) {
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c) span.store_at(dv, c, dout * span.load_at(w, c), end);
        dv += width;
      };
      for (int64_t i = 0; i < a.fields; ++i) {
        for (int64_t j = 0; j < i; ++j) scale(x + j * row + (i - 1) * width);
        for (int64_t j = i + 1; j < a.fields; ++j) scale(x + j * row + i * width);
      }
    });
  }
}
