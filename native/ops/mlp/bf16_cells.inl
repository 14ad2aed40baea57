// What the kernels of bf16.h have in common, but for the products. Included once per ISA, behind simd_avx512.h.

constexpr int64_t W = Vec::W;  // = a strip
constexpr int64_t kCell = kBf16Cell, kStrip = kBf16Strip;
constexpr int64_t kPairs = kCell / 2;  // in a row of a cell
constexpr int64_t kPieces = 16;        // of a pass of the weight gradient: 32 KB of two strips stay in the nearest cache

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

DLRM_INLINE __m256i rounded(Vec a) { return (__m256i)_mm512_cvtneps_pbh(a.v); }
DLRM_INLINE void store_bf16(uint16_t* p, Vec a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded(a)); }
DLRM_INLINE Vec load_bf16(const uint16_t* p) {
  const __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16))};
}
// Pairs (a_0, b_0), (a_1, b_1), ... of W bfloat16 each.
DLRM_INLINE __m512i pair_up(__m256i a, __m256i b) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(a), _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
}

// Sums of a product, rows of `sums` kTileCols apart: rows [row, row + rows) of the block that begins at row `block`, columns
// [col, col + cols).
struct OutputTile {
  const float* sums;
  int64_t block, row, col, cols;
  int rows;
};

// to = f(sum, gate); of a matrix no column behind the last is written, of cells all of the tile's vectors.
template <class F>
DLRM_INLINE void finish_with(const MlpBf16Product& a, const OutputTile& t, F f) {
  const int64_t here = least(kCell, a.rows - t.block);  // rows of the block
  for (int64_t c = 0; c < t.cols; c += W) {
    const int64_t at = t.block * pad_bf16(a.cols) + (t.col + c) / kCell * here * kCell + (t.col + c) % kCell + t.row * kCell;
    for (int m = 0; m < t.rows; ++m) {
      const Vec sum = load(t.sums + m * kTileCols + c);
      const Vec y = f(sum, a.gate ? load_bf16(a.gate + at + m * kCell) : sum);
      if (a.cells) {
        store_bf16(a.cells + at + m * kCell, y);
        continue;
      }
      float* to = a.out + (t.block + t.row + m) * a.out_stride + t.col + c;
      if (t.cols - c >= W)
        store(to, y);
      else
        store_n(to, y, static_cast<int>(t.cols - c));
    }
  }
}

void finish(const MlpBf16Product& a, const OutputTile& t) {
  if (a.activation == Activation::none) return finish_with(a, t, [](Vec z, Vec) { return z; });
  if (a.gate) {
    if (a.activation == Activation::relu) return finish_with(a, t, [](Vec dy, Vec y) { return where_positive(y, dy); });
    if (a.activation == Activation::tanh) return finish_with(a, t, [](Vec dy, Vec y) { return dy * (set1(1.0f) - y * y); });
    return finish_with(a, t, [](Vec dy, Vec y) { return dy * (y * (set1(1.0f) - y)); });
  }
  if (a.activation == Activation::relu) return finish_with(a, t, [](Vec z, Vec) { return max(zero(), z); });
  if (a.activation == Activation::tanh) return finish_with(a, t, [](Vec z, Vec) { return tanh(z); });
  finish_with(a, t, [](Vec z, Vec) { return sigmoid(z); });
}

// With the last strip: of an odd number, the other half of the cell.
void clear_behind(const MlpBf16Product& a, Range strips) {
  const int64_t col = strips.end * kStrip;
  if (!a.cells || strips.end != strips_bf16(a.cols) || col % kCell == 0) return;
  for (int64_t block = 0; block < a.rows; block += kCell) {
    const int64_t here = least(kCell, a.rows - block);
    uint16_t* cell = a.cells + block * pad_bf16(a.cols) + col / kCell * here * kCell;
    for (int64_t i = 0; i < here; ++i) store_bf16(cell + i * kCell + kStrip, zero());
  }
}

DLRM_INLINE Vec load_up_to(const float* p, int64_t n) {
  return n >= W ? load(p) : n > 0 ? load_n(p, static_cast<int>(n)) : zero();
}
DLRM_INLINE void store_up_to(float* p, Vec a, int64_t n) {
  if (n >= W)
    store(p, a);
  else if (n > 0)
    store_n(p, a, static_cast<int>(n));
}

void bias_gradient(const MlpBf16WeightGradient& a, int64_t n) {
  Vec sum = zero();
  for (int64_t block = 0; block < a.batch; block += kCell) {
    const int64_t here = least(kCell, a.batch - block);
    const uint16_t* dz = a.dz + block * pad_bf16(a.outputs) + n / kCell * here * kCell + n % kCell;
    for (int64_t i = 0; i < here; ++i) sum = sum + load_bf16(dz + i * kCell);
  }
  store_n(a.dbias.f32() + n, sum, static_cast<int>(least(W, a.outputs - n)));
}

// The 16 x 16 matrix of pairs at `from`, transposed.
DLRM_INLINE void transpose_pairs(const uint16_t* from, uint16_t* to) {
  Vec square[W];
  for (int64_t r = 0; r < W; ++r) square[r] = {_mm512_castsi512_ps(_mm512_loadu_si512(from + r * kCell))};
  transpose(square);
  for (int64_t r = 0; r < W; ++r) _mm512_storeu_si512(to + r * kCell, _mm512_castps_si512(square[r].v));
}

void bias_gradients(const MlpBf16WeightGradient& a, Range outputs, Range inputs) {
  const int64_t last = least(a.outputs, outputs.end * kCell);
  for (int64_t n = outputs.begin * kCell; a.dbias && !inputs.begin && n < last; n += W) bias_gradient(a, n);
}

void pack_transposed(const View& weight, uint16_t* packed, Range strips) {
  alignas(64) uint16_t rows[kStrip * kCell];
  const int64_t depth = pad_bf16(weight.cols);
  for (int64_t strip = strips.begin; strip < strips.end; ++strip)
    for (int64_t k = 0; k < depth; k += kCell) {
      for (int64_t i = 0; i < kStrip; ++i)
        for (int64_t c = 0; c < kCell; c += W) {
          const int64_t n = strip * kStrip + i;
          store_bf16(rows + i * kCell + c, n < weight.rows ? load_up_to(weight.row(n) + k + c, weight.cols - k - c) : zero());
        }
      transpose_pairs(rows, packed + strip * kStrip * depth + k * kStrip);
    }
}

void pack(const View& weight, uint16_t* packed, Range strips) {
  const int64_t depth = pad_bf16(weight.rows);
  for (int64_t n = 0; n < depth; n += 2)
    for (int64_t k = strips.begin * kStrip; k < strips.end * kStrip; k += W) {
      const Vec even = n < weight.rows ? load_up_to(weight.row(n) + k, weight.cols - k) : zero();
      const Vec odd = n + 1 < weight.rows ? load_up_to(weight.row(n + 1) + k, weight.cols - k) : zero();
      _mm512_storeu_si512(packed + k * depth + n * kStrip, pair_up(rounded(even), rounded(odd)));
    }
}

// cells = f(vector of x, its row, its column) in rows form.
template <class F>
DLRM_INLINE void to_cells(const View& x, uint16_t* cells, Range rows, F f) {
  const int64_t here = rows.end - rows.begin;
  for (int64_t c = 0; c < pad_bf16(x.cols); c += W)
    for (int64_t i = 0; i < here; ++i)
      store_bf16(cells + c / kCell * here * kCell + i * kCell + c % kCell,
                 f(load_up_to(x.row(rows.begin + i) + c, x.cols - c), rows.begin + i, c));
}

void load_rows(const View& x, uint16_t* cells, Range rows) {
  to_cells(x, cells, rows, [](Vec v, int64_t, int64_t) { return v; });
}

void output_gradient(const View& dout, const View& out, Activation activation, uint16_t* cells, Range rows) {
  const auto y = [&out](int64_t row, int64_t c) { return load_up_to(out.row(row) + c, out.cols - c); };
  if (activation == Activation::none) return load_rows(dout, cells, rows);
  if (activation == Activation::relu)
    return to_cells(dout, cells, rows, [&](Vec dy, int64_t row, int64_t c) { return where_positive(y(row, c), dy); });
  if (activation == Activation::tanh)
    return to_cells(dout, cells, rows, [&](Vec dy, int64_t row, int64_t c) {
      const Vec out = y(row, c);
      return dy * (set1(1.0f) - out * out);
    });
  to_cells(dout, cells, rows, [&](Vec dy, int64_t row, int64_t c) {
    const Vec out = y(row, c);
    return dy * (out * (set1(1.0f) - out));
  });
}

alignas(64) const uint16_t no_row[kCell] = {};

// One cell, rows i and i + 1 interleaved: strips of 16 columns, pairs of 2 x 16.
DLRM_INLINE void pair_cell(const uint16_t* cell, int64_t rows, uint16_t* pairs) {
  for (int64_t i = 0; i < kCell; i += 2) {
    const auto* even = reinterpret_cast<const __m256i*>(i < rows ? cell + i * kCell : no_row);
    const auto* odd = reinterpret_cast<const __m256i*>(i + 1 < rows ? cell + (i + 1) * kCell : no_row);
    for (int64_t s = 0; s < 2; ++s)
      _mm512_storeu_si512(pairs + s * kStrip * kCell + i * kStrip, pair_up(_mm256_loadu_si256(even + s), _mm256_loadu_si256(odd + s)));
  }
}

void pair(const uint16_t* cells, int64_t rows, int64_t cols, uint16_t* pairs) {
  for (int64_t c = 0; c < cols; c += kCell) pair_cell(cells + c * rows, rows, pairs + c * kCell);
}

void transpose_cells(const uint16_t* cells, int64_t rows, int64_t cols, uint16_t* transposed) {
  alignas(64) uint16_t pairs[kCell * kCell];
  for (int64_t c = 0; c < cols; c += kCell) {
    pair_cell(cells + c * rows, rows, pairs);
    for (int64_t half = 0; half < kCell; half += kStrip)
      transpose_pairs(pairs + half * kCell, transposed + (c + half) * kCell);
  }
}
