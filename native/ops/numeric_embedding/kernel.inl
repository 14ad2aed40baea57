// Included once per ISA after ops/fields.inl. Sums over the batch are kept in whole vectors, one behind the other: where two
// of them overlap both hold the same.

DLRM_INLINE int64_t padded(int64_t width) { return (width + Vec::W - 1) / Vec::W * Vec::W; }

void forward(const NumericEmbeddingForward& given, Range range) {
  const NumericEmbeddingForward a = given;
  const int64_t width = a.weight.cols, columns = a.x.cols;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* x = a.x.row(b);
    float* out = a.out.row(b);
    const float* end = out + columns * width;
    each_span(width, [&](auto span) {
      for (int64_t d = 0; d < columns; ++d) {
        const Vec value = set1(x[d]);
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c)
          span.store_at(out + d * width, c, value * span.load_at(a.weight.row(d), c), end);
      }
    });
  }
}

void backward(const NumericEmbeddingBackward& given, Range range) {
  const NumericEmbeddingBackward a = given;
  const int64_t width = a.weight.cols, columns = a.x.cols, stride = padded(width);
  for (int64_t i = 0; a.sums && i < columns * stride; i += Vec::W) store(a.sums + i, zero());
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float *x = a.x.row(b), *row = a.dout.row(b);
    for (int64_t d = 0; d < columns; ++d) {
      const float *dout = row + d * width, *weight = a.weight.row(d);
      const Vec value = set1(x[d]);
      Vec dot = zero();
      each_span(width, [&](auto span) {
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c) {
          const Vec slope = span.load_at(dout, c);
          dot = fma(span.only_fresh(slope, c), span.load_at(weight, c), dot);
          float* to = a.sums + d * stride + span.k + c * Vec::W;
          if (a.sums) store(to, fma(value, slope, load(to)));
        }
      });
      if (a.dx.data) a.dx.row(b)[d] = sum(dot);
    }
  }
}

void add_sums(const float* sums, int64_t count, const View& dweight) {
  const int64_t width = dweight.cols, stride = padded(width), all = dweight.rows * stride;
  const float* end = dweight.f32() + dweight.rows * width;
  for (int64_t d = 0; d < dweight.rows; ++d)
    each_span(width, [&](auto span) {
      DLRM_UNROLL
      for (int c = 0; c < span.kVecs; ++c) {
        Vec total = zero();
        for (int64_t i = 0; i < count; ++i) total = total + load(sums + i * all + d * stride + span.k + c * Vec::W);
        span.store_at(dweight.row(d), c, total, end);
      }
    });
}
