// Included once per ISA. Forward: tiles of W dot products at once, so that every loaded vector serves several of them
// and one tree of shuffles makes all W sums. Backward: dz = dP z as a small matrix product, a block of rows of dz in
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

constexpr int kTileCols = 4, kTileRows = Vec::W / kTileCols;

// Adds the products of n elements; n = W: all.
DLRM_INLINE void add_products(const float* const (&rows)[kTileRows], const float* const (&cols)[kTileCols], int64_t k, int n,
                              Vec (&acc)[Vec::W]) {
  Vec c[kTileCols];
  for (int i = 0; i < kTileCols; ++i) c[i] = n == Vec::W ? load(cols[i] + k) : load_n(cols[i] + k, n);
  for (int r = 0; r < kTileRows; ++r) {
    const Vec v = n == Vec::W ? load(rows[r] + k) : load_n(rows[r] + k, n);
    for (int i = 0; i < kTileCols; ++i) acc[r * kTileCols + i] = fma(v, c[i], acc[r * kTileCols + i]);
  }
}

// sums[r * kTileCols + c] = <rows[r], cols[c]>
DLRM_INLINE void tile_of_dots(const float* const (&rows)[kTileRows], const float* const (&cols)[kTileCols], int64_t width,
                              float* sums) {
  Vec acc[Vec::W];
  for (Vec& a : acc) a = zero();
  int64_t k = 0;
  for (; k + Vec::W <= width; k += Vec::W) add_products(rows, cols, k, Vec::W, acc);
  if (k < width) add_products(rows, cols, k, static_cast<int>(width - k), acc);
  store(sums, sum_each(acc));
}

// Rows of the triangle are written left to right, but tiles right to left: a store may run over the end of its row,
// into places that are written later. Only at the very end of `out` are the sums written one by one.
DLRM_INLINE void store_sums(const float* sums, int64_t wanted, float* out, const float* end) {
  if (out + kTileCols <= end) {
    __builtin_memcpy(out, sums, kTileCols * sizeof(float));
  } else {
    for (int64_t c = 0; c < least(wanted, kTileCols); ++c) out[c] = sums[c];
  }
}

void forward(const InteractionDotForward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) {
    const Z z = vectors_of(a.x, a.e, b, a.width);
    float* out = static_cast<float*>(a.out.data) + b * a.out.stride;
    const float* end = out + a.out.cols;
    if (z.x) {
      copy(z.x, out, a.width);
      out += a.width;
    }
    const int64_t last = a.vectors - 1;
    for (int64_t i = 0; i <= last; i += kTileRows) {
      const float* rows[kTileRows];
      for (int r = 0; r < kTileRows; ++r) rows[r] = z[least(i + r, last)];
      const int64_t longest = least(i + kTileRows - 1, last) + a.itself;
      for (int64_t j = (longest - 1) / kTileCols * kTileCols; j >= 0; j -= kTileCols) {
        const float* const cols[kTileCols] = {z[j], z[least(j + 1, last)], z[least(j + 2, last)], z[least(j + 3, last)]};
        float sums[Vec::W];
        tile_of_dots(rows, cols, a.width, sums);
        for (int r = 0; r < kTileRows && i + r <= last; ++r) {
          const int64_t wanted = i + r + a.itself - j;
          if (wanted > 0) store_sums(sums + r * kTileCols, wanted, out + before_row(i + r, a.itself) + j, end);
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

// acc[r] += weight(r) z, V vectors wide; V = 0: n < W elements.
template <int V, int N, class Weight>
DLRM_INLINE void add_scaled(Vec (&acc)[kRows][N], const float* z, int n, Weight weight) {
  Vec v[N];
  for (int c = 0; c < N; ++c) v[c] = V ? load(z + c * Vec::W) : load_n(z, n);
  for (int r = 0; r < kRows; ++r) {
    const Vec w = set1(weight(r));
    for (int c = 0; c < N; ++c) acc[r][c] = fma(w, v[c], acc[r][c]);
  }
}

// Columns [k, k + V vectors) of the block's rows; V = 0: the first n < W columns.
template <int V>
DLRM_INLINE void multiply_rows(const RowBlock& t, int64_t k, int n) {
  constexpr int kVecs = V ? V : 1;
  Vec acc[kRows][kVecs];
  for (auto& row : acc)
    for (Vec& a : row) a = zero();
  for (int64_t j = 0; j < t.begin; ++j) add_scaled<V>(acc, t.z[j] + k, n, [&](int r) { return t.row[r][j]; });
  for (int d = 0; d < t.rows; ++d) add_scaled<V>(acc, t.z[t.begin + d] + k, n, [&](int r) { return t.diagonal[d][r]; });
  const float* later = t.pairs + before_row(t.begin + t.rows, t.itself) + t.begin;  // row j of the triangle, at this block
  for (int64_t j = t.begin + t.rows; j < t.vectors; later += j + t.itself, ++j)
    add_scaled<V>(acc, t.z[j] + k, n, [&](int r) { return later[r]; });
  for (int r = 0; r < kRows; ++r) {
    if (!t.dz[r]) continue;
    for (int c = 0; c < kVecs; ++c) {
      Vec sum = acc[r][c];
      const int64_t at = k + c * Vec::W;
      if (r == 0 && t.added) sum = sum + (V ? load(t.added + at) : load_n(t.added + at, n));
      if (V)
        store(t.dz[r] + at, sum);
      else
        store_n(t.dz[r] + at, sum, n);
    }
  }
}

DLRM_INLINE void multiply_block(const RowBlock& t) {
  const int64_t width = t.z.width;
  if (width < Vec::W) return multiply_rows<0>(t, 0, static_cast<int>(width));
  int64_t k = 0;
  for (; k + 2 * Vec::W <= width; k += 2 * Vec::W) multiply_rows<2>(t, k, 0);
  if (k + Vec::W < width) multiply_rows<1>(t, k, 0);
  if (k < width) multiply_rows<1>(t, width - Vec::W, 0);  // overlaps columns that get the same sums again
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
