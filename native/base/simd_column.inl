// n (1 to W) rows of a matrix of one column from row b on: at once where they are contiguous, else one by one.
// Include after simd_<isa>.h, in the same region.

DLRM_INLINE Vec load_column(const View& view, int64_t b, int n) {
  if (view.stride == 1) return n == Vec::W ? load(view.row(b)) : load_n(view.row(b), n);
  float rows[Vec::W] = {};
  for (int i = 0; i < n; ++i) rows[i] = *view.row(b + i);
  return load(rows);
}

DLRM_INLINE void store_column(const View& view, int64_t b, Vec a, int n) {
  if (view.stride == 1) return n == Vec::W ? store(view.row(b), a) : store_n(view.row(b), a, n);
  float rows[Vec::W];
  store(rows, a);
  for (int i = 0; i < n; ++i) *view.row(b + i) = rows[i];
}

// body(b, n) for n <= W rows at a time. It should hold its Views by value: through a reference they are read again after
// every store.
template <class F>
DLRM_INLINE void each_vector(Range range, F&& body) {
  int64_t b = range.begin;
  for (; b + Vec::W <= range.end; b += Vec::W) body(b, Vec::W);
  if (b < range.end) body(b, static_cast<int>(range.end - b));
}
