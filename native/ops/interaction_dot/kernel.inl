// Included once per ISA. Forward: tiles of dot products at once, so that every loaded vector serves several of them
// and one tree of shuffles makes four sums. Backward: dz = dP z as a small matrix product, a block of rows of dz in
// registers, straight from the packed triangle of dP.

struct Z {
  const float *x, *e;
  int64_t width;
  DLRM_INLINE const float* operator[](int64_t i) const { return !x ? e + i * width : i ? e + (i - 1) * width : x; }
};

DLRM_INLINE Z vectors_of(const View& x, const View& e, int64_t b, int64_t width) {
  return {x.data ? static_cast<const float*>(x.data) + b * x.stride : nullptr,
          static_cast<const float*>(e.data) + b * e.stride, width};
}

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Pairs in the rows of the triangle before row i.
DLRM_INLINE int64_t before_row(int64_t i, bool itself) { return itself ? i * (i + 1) / 2 : i * (i - 1) / 2; }

// The last vector overlaps the one before: masked stores are slow on some CPUs.
DLRM_INLINE void copy(const float* x, float* y, int64_t n) {
  if (n < Vec::W) return store_n(y, load_n(x, static_cast<int>(n)), static_cast<int>(n));
  for (int64_t k = 0; k + Vec::W <= n; k += Vec::W) store(y + k, load(x + k));
  store(y + n - Vec::W, load(x + n - Vec::W));
}

constexpr int kTileCols = 4, kTileRows = Vec::W == 16 ? 6 : 3;  // as many sums as registers allow

struct Tile {
  const float *row[kTileRows], *col[kTileCols];
};

// z_j to z_{j+3}; beyond the last the last again.
DLRM_INLINE void set_columns(Tile& t, const Z& z, int64_t j, int64_t last) {
  t.col[0] = z[j];
  const bool evenly_spaced = j > 0 && j + kTileCols - 1 <= last;
  for (int c = 1; c < kTileCols; ++c) t.col[c] = evenly_spaced ? t.col[c - 1] + z.width : z[least(j + c, last)];
}

// Adds the products of elements k to k + n; n = W: all of a vector.
DLRM_INLINE void add_products(const Tile& t, int64_t k, int n, Vec (&acc)[kTileRows][kTileCols]) {
  Vec row[kTileRows];
  DLRM_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    row[r] = n == Vec::W ? load(t.row[r] + k) : load_n(t.row[r] + k, n);
    keep(row[r]);
  }
  DLRM_UNROLL
  for (int c = 0; c < kTileCols; ++c) {
    Vec col = n == Vec::W ? load(t.col[c] + k) : load_n(t.col[c] + k, n);
    keep(col);
    DLRM_UNROLL
    for (int r = 0; r < kTileRows; ++r) acc[r][c] = fma(row[r], col, acc[r][c]);
  }
}

DLRM_INLINE void dots(const Tile& t, int64_t width, Vec (&acc)[kTileRows][kTileCols]) {
  DLRM_UNROLL
  for (int i = 0; i < kTileRows * kTileCols; ++i) acc[i / kTileCols][i % kTileCols] = zero();
  int64_t k = 0;
  for (; k + Vec::W <= width; k += Vec::W) add_products(t, k, Vec::W, acc);
  if (k < width) add_products(t, k, static_cast<int>(width - k), acc);
}

// The tile's sums to row_out[r] + j, also where that is beyond the end of the row: all such places belong to rows and
// tiles that are written later, since rows are written downwards and each from right to left.
DLRM_INLINE void store_tile(const Vec (&acc)[kTileRows][kTileCols], float* const (&row_out)[kTileRows], int64_t j) {
  DLRM_UNROLL
  for (int r = 0; r < kTileRows; ++r) store_sums(row_out[r] + j, acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
}

// The same at the end of the triangle: no more than wanted + r sums of row r.
void store_edge(const float* sums, int rows, float* const* row_out, int64_t j, int64_t wanted) {
  for (int r = 0; r < rows; ++r)
    for (int64_t c = 0; c < least(wanted + r, kTileCols); ++c) row_out[r][j + c] = sums[r * kTileCols + c];
}

void forward(const InteractionDotForward& a, Range range) {
  const int64_t last = a.vectors - 1;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const Z z = vectors_of(a.x, a.e, b, a.width);
    float* out = static_cast<float*>(a.out.data) + b * a.out.stride;
    const float* end = out + a.out.cols;
    if (z.x) {
      copy(z.x, out, a.width);
      out += a.width;
    }
    for (int64_t i = 0; i <= last; i += kTileRows) {
      Tile t;
      float* row_out[kTileRows];
      for (int r = 0; r < kTileRows; ++r) {
        t.row[r] = z[least(i + r, last)];
        row_out[r] = out + before_row(i + r, a.itself);
      }
      const int rows = static_cast<int>(least(kTileRows, a.vectors - i));
      const int64_t longest = i + rows - 1 + a.itself;
      for (int64_t j = (longest - 1) / kTileCols * kTileCols; j >= 0; j -= kTileCols) {
        set_columns(t, z, j, last);
        Vec acc[kTileRows][kTileCols];
        dots(t, a.width, acc);
        if (row_out[kTileRows - 1] + j + kTileCols <= end) {
          store_tile(acc, row_out, j);
        } else {
          float sums[kTileRows * kTileCols], *to[kTileRows];
          for (int r = 0; r < kTileRows; ++r) to[r] = sums + r * kTileCols;
          store_tile(acc, to, 0);
          store_edge(sums, rows, row_out, j, i + a.itself - j);
        }
      }
    }
  }
}

constexpr int kRows = Vec::W == 16 ? 8 : 4;  // rows of dz at once, 2 vectors wide: as many sums as registers allow

struct RowBlock {
  Z z;
  const float* pairs;  // packed triangle of dP
  bool itself;
  int64_t vectors;
  int64_t begin;  // rows begin, begin + 1, ..., begin + rows - 1
  int rows;
  const float* row[kRows];       // of the triangle
  float diagonal[kRows][kRows];  // dP of the block's rows among themselves, symmetric
  float* dz[kRows];              // null: not wanted
  const float* added;            // dout[b, 0..E) if the first row is that of x
};

DLRM_INLINE void fill_block(RowBlock& t, int64_t begin) {
  t.begin = begin;
  t.rows = static_cast<int>(least(kRows, t.vectors - begin));
  for (int r = 0; r < kRows; ++r) {
    t.row[r] = t.pairs + before_row(begin + (r < t.rows ? r : 0), t.itself);
    for (int c = 0; c < r; ++c) t.diagonal[r][c] = t.diagonal[c][r] = r < t.rows ? t.row[r][begin + c] : 0;
    t.diagonal[r][r] = t.itself && r < t.rows ? 2 * t.row[r][begin + r] : 0;
  }
}

// Columns k, k + 1, ... in V vectors; the last of them at `last`, where it may overlap the one before. V = 0: the first
// n < W columns.
template <int V>
struct Span {
  static constexpr int kVecs = V ? V : 1;
  int64_t k, last;
  int n;
  DLRM_INLINE int64_t at(int c) const { return c + 1 < kVecs ? k + c * Vec::W : last; }
  DLRM_INLINE Vec load_at(const float* p, int c) const { return V ? load(p + at(c)) : load_n(p, n); }
  DLRM_INLINE void store_at(float* p, int c, Vec v) const { return V ? store(p + at(c), v) : store_n(p, v, n); }
};

// acc[r] += weight(r) z
template <int V, int N, class Weight>
DLRM_INLINE void add_scaled(Vec (&acc)[kRows][N], const float* z, Span<V> span, Weight weight) {
  Vec v[N];
  DLRM_UNROLL
  for (int c = 0; c < N; ++c) v[c] = span.load_at(z, c);
  DLRM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Vec w = set1(weight(r));
    DLRM_UNROLL
    for (int c = 0; c < N; ++c) acc[r][c] = fma(w, v[c], acc[r][c]);
  }
}

template <int V>
DLRM_INLINE void multiply_rows(const RowBlock& t, Span<V> span) {
  constexpr int kVecs = Span<V>::kVecs;
  Vec acc[kRows][kVecs];
  DLRM_UNROLL
  for (int i = 0; i < kRows * kVecs; ++i) acc[i / kVecs][i % kVecs] = zero();
  for (int64_t j = 0; j < t.begin; ++j) add_scaled(acc, t.z[j], span, [&](int r) { return t.row[r][j]; });
  for (int d = 0; d < t.rows; ++d) add_scaled(acc, t.z[t.begin + d], span, [&](int r) { return t.diagonal[d][r]; });
  const float* later = t.pairs + before_row(t.begin + t.rows, t.itself) + t.begin;  // row j of the triangle, at this block
  for (int64_t j = t.begin + t.rows; j < t.vectors; later += j + t.itself, ++j)
    add_scaled(acc, t.z[j], span, [&](int r) { return later[r]; });
  DLRM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    if (!t.dz[r]) continue;
    DLRM_UNROLL
    for (int c = 0; c < kVecs; ++c)
      span.store_at(t.dz[r], c, r == 0 && t.added ? acc[r][c] + span.load_at(t.added, c) : acc[r][c]);
  }
}

DLRM_INLINE void multiply_block(const RowBlock& t) {
  const int64_t width = t.z.width, end = width - Vec::W;
  if (end < 0) return multiply_rows(t, Span<0>{0, 0, static_cast<int>(width)});
  int64_t k = 0;
  for (; k + 2 * Vec::W <= width; k += 2 * Vec::W) multiply_rows(t, Span<2>{k, k + Vec::W, 0});
  if (k + Vec::W < width)
    multiply_rows(t, Span<2>{k, end, 0});
  else if (k < width)
    multiply_rows(t, Span<1>{k, end, 0});
}

void backward(const InteractionDotBackward& a, Range range) {
  const int64_t dense = a.x.data ? 1 : 0;
  const int64_t first = dense && !a.dx.data ? 1 : 0, end = a.de.data ? a.vectors : dense;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float* dout = static_cast<const float*>(a.dout.data) + b * a.dout.stride;
    RowBlock t;
    t.z = vectors_of(a.x, a.e, b, a.width);
    t.pairs = dout + dense * a.width;
    t.itself = a.itself;
    t.vectors = a.vectors;
    for (int64_t i = first; i < end; i += kRows) {
      fill_block(t, i);
      for (int r = 0; r < kRows; ++r) {
        const int64_t row = i + r;
        t.dz[r] = row >= end          ? nullptr
                  : dense && row == 0 ? static_cast<float*>(a.dx.data) + b * a.dx.stride
                                      : static_cast<float*>(a.de.data) + b * a.de.stride + (row - dense) * a.width;
      }
      t.added = dense && i == 0 ? dout : nullptr;
      multiply_block(t);
    }
  }
}
