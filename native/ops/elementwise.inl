// Matrices of one shape, element by element. Included once per ISA by the kernels of such ops.

// Rows [range.begin, range.end), as one long row if no view has a gap between them: a matrix of one column is the usual case.
struct Rows {
  int64_t count, cols;
};

template <int N>
DLRM_INLINE Rows rows_of(Range range, const View (&views)[N]) {
  const int64_t rows = range.end - range.begin, cols = views[0].cols;
  bool dense = true;
  for (int i = 0; i < N; ++i) dense = dense && views[i].stride == cols;
  return dense ? Rows{1, rows * cols} : Rows{rows, cols};
}

// views[0] = f(the others), W elements at a time. The last W of a row may be written twice: views[0] is none of the others.
template <int N, class F>
DLRM_INLINE void each_element(Range range, const View (&views)[N], F&& f) {
  const Rows rows = rows_of(range, views);
  for (int64_t r = 0; r < rows.count; ++r) {
    float* p[N];
    for (int i = 0; i < N; ++i) p[i] = views[i].row(range.begin + r);
    const auto at = [&](int64_t k) {
      Vec v[N];
      for (int i = 1; i < N; ++i) v[i] = load(p[i] + k);
      store(p[0] + k, f(v));
    };
    int64_t k = 0;
    for (; k + Vec::W <= rows.cols; k += Vec::W) at(k);
    if (k == rows.cols) continue;
    if (k) {
      at(rows.cols - Vec::W);
      continue;
    }
    const int n = static_cast<int>(rows.cols);
    Vec v[N];
    for (int i = 1; i < N; ++i) v[i] = load_n(p[i], n);
    store_n(p[0], f(v), n);
  }
}
