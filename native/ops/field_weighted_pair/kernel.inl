// Four examples at a time, so that every weight that is loaded (and every sum over the batch) serves four. Included once per
// ISA after ops/fields.inl.

template <int R>
struct Examples {
  const float* x[R];
};

template <int R>
DLRM_INLINE Examples<R> examples_at(const View& x, int64_t b) {
  Examples<R> all;
  DLRM_UNROLL
  for (int r = 0; r < R; ++r) all.x[r] = x.row(b + r);
  return all;
}

template <int R, int N>
DLRM_INLINE void clear(Vec (&v)[R][N]) {
  DLRM_UNROLL
  for (int i = 0; i < R * N; ++i) v[i / N][i % N] = zero();
}

// u += w * (the vectors of the examples at `column`)
template <int V, int R, int N>
DLRM_INLINE void add_scaled(Vec (&u)[R][N], float weight, const Examples<R>& e, int64_t column, Span<V> span) {
  const Vec w = set1(weight);
  DLRM_UNROLL
  for (int r = 0; r < R; ++r) {
    DLRM_UNROLL
    for (int c = 0; c < N; ++c) u[r][c] = fma(w, span.load_at(e.x[r] + column, c), u[r][c]);
  }
}

template <int R>
DLRM_INLINE void forward_rows(const FieldWeightedForward& a, int64_t b) {
  const Examples<R> e = examples_at<R>(a.x, b);
  Vec total[R];
  DLRM_UNROLL
  for (int r = 0; r < R; ++r) total[r] = zero();
  each_span(a.width, [&](auto span) {
    int32_t p = 0;
    for (int64_t i = 1; i < a.fields; ++i) {
      const int32_t end = a.pairs.begin[i + 1];
      if (p == end) continue;
      Vec u[R][span.kVecs];
      clear(u);
      for (; p < end; ++p) add_scaled(u, a.pairs.weight[p], e, a.pairs.column[p], span);
      DLRM_UNROLL
      for (int r = 0; r < R; ++r) {
        DLRM_UNROLL
        for (int c = 0; c < span.kVecs; ++c)
          total[r] = fma(span.only_fresh(u[r][c], c), span.load_at(e.x[r] + i * a.width, c), total[r]);
      }
    }
  });
  DLRM_UNROLL
  for (int r = 0; r < R; ++r) *a.out.row(b + r) = sum(total[r]);
}

void forward(const FieldWeightedForward& given, Range range) {
  const FieldWeightedForward a = given;
  int64_t b = range.begin;
  for (; b + 4 <= range.end; b += 4) forward_rows<4>(a, b);
  for (; b < range.end; ++b) forward_rows<1>(a, b);
}

// sums[p] += dout <v_i, v_j>, lane by lane.
template <int V, int R>
DLRM_INLINE void add_products(const FieldWeightedBackward& a, const Examples<R>& e, int64_t b, Span<V> span) {
  constexpr int N = Span<V>::kVecs;
  float* to = a.sums;
  for (int64_t i = 1; i < a.fields; ++i) {
    Vec v[R][N];
    DLRM_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec dout = set1(*a.dout.row(b + r));
      DLRM_UNROLL
      for (int c = 0; c < N; ++c) v[r][c] = span.only_fresh(dout * span.load_at(e.x[r] + i * a.width, c), c);
    }
    for (int64_t column = 0; column < i * a.width; column += a.width, to += Vec::W) {
      Vec sum = load(to);
      DLRM_UNROLL
      for (int r = 0; r < R; ++r) {
        DLRM_UNROLL
        for (int c = 0; c < N; ++c) sum = fma(v[r][c], span.load_at(e.x[r] + column, c), sum);
      }
      store(to, sum);
    }
  }
}

// dv_i = dout sum_j r_ij v_j
template <int V, int R>
DLRM_INLINE void scale_vectors(const FieldWeightedBackward& a, const Examples<R>& e, int64_t b, Span<V> span) {
  constexpr int N = Span<V>::kVecs;
  const int64_t cols = a.fields * a.width;
  for (int64_t i = 0; i < a.fields; ++i) {
    Vec u[R][N];
    clear(u);
    const float* weight = a.weight + i * (i - 1) / 2;
    for (int64_t j = 0; j < i; ++j) add_scaled(u, weight[j], e, j * a.width, span);
    weight = a.weight + (i + 1) * i / 2 + i;  // r_ji, j = i + 1
    for (int64_t j = i + 1; j < a.fields; weight += j, ++j) add_scaled(u, *weight, e, j * a.width, span);
    DLRM_UNROLL
    for (int r = 0; r < R; ++r) {
      float* dx = a.dx.row(b + r);
      const Vec dout = set1(*a.dout.row(b + r));
      DLRM_UNROLL
      for (int c = 0; c < N; ++c) span.store_at(dx + i * a.width, c, dout * u[r][c], dx + cols);
    }
  }
}

template <int R>
DLRM_INLINE void backward_rows(const FieldWeightedBackward& a, int64_t b) {
  const Examples<R> e = examples_at<R>(a.x, b);
  each_span(a.width, [&](auto span) {
    if (a.sums) add_products(a, e, b, span);
    if (a.dx.data) scale_vectors(a, e, b, span);
  });
}

void backward(const FieldWeightedBackward& given, Range range) {
  const FieldWeightedBackward a = given;
  const int64_t sums = a.fields * (a.fields - 1) / 2 * Vec::W;
  for (int64_t k = 0; a.sums && k < sums; k += Vec::W) store(a.sums + k, zero());
  int64_t b = range.begin;
  for (; b + 4 <= range.end; b += 4) backward_rows<4>(a, b);
  for (; b < range.end; ++b) backward_rows<1>(a, b);
}

void add_sums(const float* sums, int64_t count, int64_t stride, float* to, int64_t pairs) {
  for (int64_t p = 0; p < pairs; ++p) {
    Vec all = zero();
    for (int64_t i = 0; i < count; ++i) all = all + load(sums + i * stride + p * Vec::W);
    to[p] = sum(all);
  }
}
