// The vectors of fields, E floats each, in whole Vecs. Included once per ISA by the kernels of ops over fields.

// Some of the columns of a field in V vectors; the last of them at `last`, where it may overlap the one before: masked
// stores are slow on some CPUs. V = 0: all of the columns, fewer than W.
template <int V>
struct Span {
  static constexpr int kVecs = V ? V : 1;
  int64_t k, last;
  int fresh;  // columns of the last vector that no vector before it holds
  DLRM_INLINE int64_t at(int c) const { return c + 1 < kVecs ? k + c * Vec::W : last; }
  DLRM_INLINE Vec load_at(const float* p, int c) const { return V ? load(p + at(c)) : load_n(p, fresh); }
  // With V = 0 all of vector a, if that is before `end`: what is behind the field must be written later.
  DLRM_INLINE void store_at(float* p, int c, Vec a, const float* end) const {
    if (V || p + Vec::W <= end) return store(p + at(c), a);
    store_n(p, a, fresh);
  }
  // Zero where a column is another vector's, or no column.
  DLRM_INLINE Vec only_fresh(Vec a, int c) const { return !V ? first_n(a, fresh) : c + 1 < kVecs ? a : last_n(a, fresh); }
};

// body(span) for spans that cover the columns of a field, two vectors at a time.
template <class F>
DLRM_INLINE void each_span(int64_t width, F&& body) {
  constexpr int W = Vec::W;
  if (width < W) return body(Span<0>{0, 0, static_cast<int>(width)});
  int64_t k = 0;
  for (; k + 2 * W <= width; k += 2 * W) body(Span<2>{k, k + W, W});
  const int rest = static_cast<int>(width - k);
  if (rest > W) return body(Span<2>{k, width - W, rest - W});
  if (rest) body(Span<1>{k, width - W, rest});
}
