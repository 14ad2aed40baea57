// Products of strips by register tiles of M rows x (S strips x V vectors). Included once per ISA.

constexpr int64_t W = Vec::W;
constexpr int64_t P = 2 * W;                // a strip: two vectors
constexpr int kTileRows = W == 8 ? 6 : 12;  // 12 of 16 or 24 of 32 registers hold sums
constexpr int64_t kDepth = W == 8 ? 256 : 192;  // of a pass, about: 16 or 24 KB of a strip, half of the nearest cache

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
DLRM_INLINE int64_t most(int64_t a, int64_t b) { return a < b ? b : a; }
DLRM_INLINE int64_t strips_of(int64_t cols) { return (cols + P - 1) / P; }
// The part of a vector that lies in the first n columns counted from its own first.
DLRM_INLINE int lanes(int64_t n) { return static_cast<int>(n < 0 ? 0 : least(n, W)); }

// A tile in memory: vector v of strip s of row m at data[m * row + s * strip + v * W].
template <class T>
struct TileOf {
  T* data;
  int64_t row, strip;
  operator TileOf<const float>() const { return {data, row, strip}; }
};
using Tile = TileOf<float>;
using ReadTile = TileOf<const float>;

// Two factors of a tile. The depth comes in pieces, `piece` long (the last may be shorter), a_step and b_step apart.
struct Factors {
  const float *a, *b;
  int64_t b_strip;
  int64_t a_step, b_step, piece, depth;
};

// result = init + a * b. a is read by rows (a[m * P + d]) or, Transposed, by columns (a[d * P + m]); b[d * P + ...].
template <bool Transposed, int M, int S, int V>
void accumulate(const Factors& f, const ReadTile& init, const Tile& result) {
  Vec acc[M][S * V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int j = 0; j < S * V; ++j) acc[m][j] = load(init.data + m * init.row + j / V * init.strip + j % V * W);
  const float *a_piece = f.a, *b_piece = f.b;
  for (int64_t left = f.depth; left > 0; left -= f.piece, a_piece += f.a_step, b_piece += f.b_step) {
    const float *a = a_piece, *b = b_piece;
    const int64_t b_strip = f.b_strip;
#pragma GCC unroll 4
    for (int64_t d = least(left, f.piece); d > 0; --d, a += Transposed ? P : 1, b += P) {
      Vec column[S * V];
#pragma GCC unroll 16
      for (int j = 0; j < S * V; ++j) column[j] = load(b + j / V * b_strip + j % V * W);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Vec row = set1(a[Transposed ? m : m * P]);
#pragma GCC unroll 16
        for (int j = 0; j < S * V; ++j) acc[m][j] = fma(row, column[j], acc[m][j]);
      }
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int j = 0; j < S * V; ++j) store(result.data + m * result.row + j / V * result.strip + j % V * W, acc[m][j]);
}

// accumulate with `rows` (1 to M) rows, one strip and 1 or 2 vectors.
template <bool Transposed, int M>
DLRM_INLINE void accumulate_strip(const Factors& f, const ReadTile& init, const Tile& result, int rows, int vectors) {
  if constexpr (M > 0) {
    if (rows != M)
      accumulate_strip<Transposed, M - 1>(f, init, result, rows, vectors);
    else if (vectors == 2)
      accumulate<Transposed, M, 1, 2>(f, init, result);
    else
      accumulate<Transposed, M, 1, 1>(f, init, result);
  }
}

// to = f(from, gate) over `cols` columns of each of `rows` rows; nothing behind them is read or written.
template <class F>
DLRM_INLINE void for_vectors(const ReadTile& from, const ReadTile& gate, const Tile& to, int rows, int strips,
                             int64_t cols, F f) {
  for (int s = 0; s < strips; ++s, cols -= P) {
    for (int m = 0; m < rows; ++m) {
      const float* x = from.data + m * from.row + s * from.strip;
      const float* g = gate.data + m * gate.row + s * gate.strip;
      float* y = to.data + m * to.row + s * to.strip;
      if (cols >= P) {
        store(y, f(load(x), load(g)));
        store(y + W, f(load(x + W), load(g + W)));
      } else {
        for (int64_t c = 0; c < cols; c += W) {
          const int n = static_cast<int>(least(W, cols - c));
          store_n(y + c, f(load_n(x + c, n), load_n(g + c, n)), n);
        }
      }
    }
  }
}

DLRM_INLINE Vec unchanged(Vec x, Vec) { return x; }

void finish(Activation activation, const ReadTile& from, const Tile& to, int rows, int strips, int64_t cols) {
  const auto relu = [](Vec z, Vec) { return max(zero(), z); };
  const auto logistic = [](Vec z, Vec) { return sigmoid(z); };
  const auto hyperbolic = [](Vec z, Vec) { return tanh(z); };
  if (activation == Activation::relu)
    for_vectors(from, from, to, rows, strips, cols, relu);
  else if (activation == Activation::sigmoid)
    for_vectors(from, from, to, rows, strips, cols, logistic);
  else if (activation == Activation::tanh)
    for_vectors(from, from, to, rows, strips, cols, hyperbolic);
  else
    for_vectors(from, from, to, rows, strips, cols, unchanged);
}

void finish_gated(Activation activation, const ReadTile& from, const ReadTile& gate, const Tile& to, int rows,
                  int strips, int64_t cols) {
  const auto relu = [](Vec dy, Vec y) { return where_positive(y, dy); };
  const auto logistic = [](Vec dy, Vec y) { return dy * (y * (set1(1.0f) - y)); };
  const auto hyperbolic = [](Vec dy, Vec y) { return dy * (set1(1.0f) - y * y); };
  if (activation == Activation::relu)
    for_vectors(from, gate, to, rows, strips, cols, relu);
  else if (activation == Activation::sigmoid)
    for_vectors(from, gate, to, rows, strips, cols, logistic);
  else if (activation == Activation::tanh)
    for_vectors(from, gate, to, rows, strips, cols, hyperbolic);
  else
    for_vectors(from, from, to, rows, strips, cols, unchanged);
}

alignas(64) const float zeros[P] = {};

// A pass over part of the depth: out = (init or, without, out itself) + a * b; the sums are left in `local` instead if
// `hold`. `cols` columns of out exist.
template <bool Transposed>
void pass(const Factors& f, const ReadTile* init, const Tile& out, const Tile& local, bool hold, int rows, int strips,
          int64_t cols) {
  const bool whole = cols >= strips * P;
  if (!init && !whole) for_vectors(out, out, local, rows, strips, cols, unchanged);
  const ReadTile from = init ? *init : ReadTile(whole ? out : local);
  const Tile& to = whole && !hold ? out : local;
  if (strips == 4)
    accumulate<Transposed, 1, 4, 2>(f, from, to);
  else if (strips == 2 && rows == 3)
    accumulate<Transposed, 3, 2, 2>(f, from, to);
  else if (strips == 2)
    accumulate<Transposed, 2, 2, 2>(f, from, to);
  else
    accumulate_strip<Transposed, kTileRows>(f, from, to, rows, cols > W ? 2 : 1);
  if (!whole && !hold) for_vectors(local, local, out, rows, strips, cols, unchanged);
}

void product_tile(const MlpProduct& a, Range depth, int64_t strip, int strips, int64_t row, int rows) {
  const Factors f{a.in + depth.begin * a.rows + row * P, a.matrix + (strip * a.depth + depth.begin) * P, a.depth * P,
                  a.rows * P, P * P, P, depth.end - depth.begin};
  alignas(64) float sums[kTileRows * P];
  const Tile local{sums, P, rows * P};
  const Tile out{a.out + strip * a.out_strip + row * a.out_row, a.out_row, a.out_strip};
  const ReadTile init = a.bias ? ReadTile{a.bias + strip * P, 0, P} : ReadTile{zeros, 0, 0};
  const int64_t cols = a.writable - strip * P;
  const bool last = depth.end == a.depth;
  pass<false>(f, depth.begin ? nullptr : &init, out, local, last, rows, strips, cols);
  if (!last) return;
  if (!a.gate) return finish(a.activation, local, out, rows, strips, cols);
  const ReadTile gate{a.gate + (strip * a.rows + row) * P, P, a.rows * P};
  finish_gated(a.activation, local, gate, out, rows, strips, cols);
}

// Strips taken together: rows few enough to leave registers free take more, else the sums of one strip are too few to
// hide the latency of fma.
DLRM_INLINE int strips_together(int64_t rows, int64_t left) {
  const int wanted = rows == 1 ? 4 : rows <= 3 ? 2 : 1;
  return left >= wanted ? wanted : 1;
}

void product(const MlpProduct& a, Range strips) {
  // Tiles cut the rows evenly for the same reason.
  const int64_t tiles = (a.rows + kTileRows - 1) / kTileRows, rows = a.rows / tiles, larger = a.rows % tiles;
  // A single tile uses nothing of a strip twice.
  const int64_t passes = tiles == 1 ? 1 : most(1, (a.depth + kDepth / 2) / kDepth);
  const int64_t each = strips_of((a.depth + passes - 1) / passes) * P;
  for (int64_t d = 0; d < a.depth; d += each) {
    const Range depth{d, least(a.depth, d + each)};
    for (int64_t strip = strips.begin, n; strip < strips.end; strip += n) {
      n = strips_together(a.rows, strips.end - strip);
      for (int64_t t = 0, row = 0; t < tiles; ++t) {
        const int64_t m = rows + (t < larger);
        product_tile(a, depth, strip, static_cast<int>(n), row, static_cast<int>(m));
        row += m;
      }
    }
  }
}

// Blocks of the batch that one pass of the weight gradient takes: `count` of `rows` rows each.
struct Blocks {
  int64_t first, count, rows;
};

void weight_gradient_pass(const MlpWeightGradient& a, Blocks blocks, Range outputs, int64_t k_strip) {
  const int64_t n_block = a.block_rows * strips_of(a.outputs) * P, k_block = a.block_rows * strips_of(a.inputs) * P;
  const float* b = a.x + blocks.first * k_block + k_strip * blocks.rows * P;
  alignas(64) float sums[kTileRows * P];
  const ReadTile init{zeros, 0, 0};
  const Tile local{sums, P, kTileRows * P};
  for (int64_t strip = outputs.begin; strip < outputs.end; ++strip) {
    const float* dz = a.dz + blocks.first * n_block + strip * blocks.rows * P;
    const int64_t cols = least(P, a.outputs - strip * P), tiles = (cols + kTileRows - 1) / kTileRows;
    for (int64_t t = 0, n = 0; t < tiles; ++t) {
      const int64_t m = cols / tiles + (t < cols % tiles);
      const Factors f{dz + n, b, 0, n_block, k_block, blocks.rows, blocks.count * blocks.rows};
      const Tile out{a.dweight.row(strip * P + n) + k_strip * P, a.dweight.stride, 0};
      pass<true>(f, blocks.first ? nullptr : &init, out, local, false, static_cast<int>(m), 1, a.inputs - k_strip * P);
      n += m;
    }
  }
}

void bias_gradient(const MlpWeightGradient& a, int64_t strip) {
  Vec first = zero(), second = zero();
  for (int64_t b = 0; b < a.batch; b += a.block_rows) {
    const int64_t rows = least(a.block_rows, a.batch - b);
    const float* dz = a.dz + b * strips_of(a.outputs) * P + strip * rows * P;
    for (int64_t i = 0; i < rows; ++i, dz += P) {
      first = first + load(dz);
      second = second + load(dz + W);
    }
  }
  const int64_t cols = a.outputs - strip * P;
  store_n(a.dbias.f32() + strip * P, first, lanes(cols));
  if (cols > W) store_n(a.dbias.f32() + strip * P + W, second, lanes(cols - W));
}

void weight_gradient(const MlpWeightGradient& a, Range outputs, Range inputs) {
  const int64_t whole = a.batch / a.block_rows, together = kDepth > a.block_rows ? kDepth / a.block_rows : 1;
  for (int64_t q = 0; a.dweight && q < whole; q += together)
    for (int64_t k = inputs.begin; k < inputs.end; ++k)
      weight_gradient_pass(a, {q, least(together, whole - q), a.block_rows}, outputs, k);
  const int64_t rest = a.batch - whole * a.block_rows;
  for (int64_t k = inputs.begin; a.dweight && (rest || !a.batch) && k < inputs.end; ++k)
    weight_gradient_pass(a, {whole, 1, rest}, outputs, k);
  for (int64_t n = outputs.begin; a.dbias && !inputs.begin && n < outputs.end; ++n) bias_gradient(a, n);
}

// Squares side by side, so that what is read and what is written are whole cache lines.
void pack_transposed(const View& weight, float* packed, Range strips, Range rows) {
  for (int64_t strip = strips.begin; strip < strips.end; ++strip) {
    for (int64_t k = rows.begin; k < rows.end; k += P) {
      for (int64_t half = 0; half < P; half += W) {
        const int64_t n = strip * P + half;
        for (int64_t c = k; c < least(rows.end, k + P); c += W) {
          float* to = packed + (strip * weight.cols + c) * P + half;
          const int cols = lanes(rows.end - c);
          Vec square[W];
          if (cols == W && n + W <= weight.rows) {
            const float* from = weight.row(n) + c;
            for (int i = 0; i < W; ++i, from += weight.stride) square[i] = load(from);
            transpose(square);
            for (int d = 0; d < W; ++d) store(to + d * P, square[d]);
          } else {
            for (int i = 0; i < W; ++i) square[i] = n + i < weight.rows ? load_n(weight.row(n + i) + c, cols) : zero();
            transpose(square);
            for (int d = 0; d < cols; ++d) store(to + d * P, square[d]);
          }
        }
      }
    }
  }
}

// Strips written side by side while a row is read: more would compete for the same places in the nearest cache.
constexpr int64_t kStripsLoaded = 4;

// Rows [rows.begin, rows.end) of a matrix to strips `stride` apart, zero behind the last column.
void load_strips(const View& x, float* to, int64_t stride, Range rows, Range strips) {
  const int64_t whole = least(strips.end, x.cols / P);
  for (int64_t strip = strips.begin; strip < whole; strip += kStripsLoaded) {
    const int64_t end = least(whole, strip + kStripsLoaded);
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const float* from = x.row(i) + strip * P;
      float* y = to + strip * stride + (i - rows.begin) * P;
      for (int64_t s = strip; s < end; ++s, from += P, y += stride) {
        store(y, load(from));
        store(y + W, load(from + W));
      }
    }
  }
  if (whole >= strips.end) return;
  const int64_t cols = x.cols - whole * P;
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const float* from = x.row(i) + whole * P;
    float* y = to + whole * stride + (i - rows.begin) * P;
    store(y, cols >= W ? load(from) : load_n(from, lanes(cols)));
    store(y + W, cols > W ? load_n(from + W, lanes(cols - W)) : zero());
  }
}

void pack(const View& weight, float* packed, Range strips, Range rows) {
  load_strips(weight, packed + rows.begin * P, weight.rows * P, rows, strips);
}

void load_rows(const View& x, float* strips, Range rows) {
  load_strips(x, strips, (rows.end - rows.begin) * P, rows, {0, strips_of(x.cols)});
}

void output_gradient(const View& dout, const View& out, Activation activation, float* strips, Range rows) {
  load_rows(dout, strips, rows);
  if (activation == Activation::none) return;
  const int n = static_cast<int>(rows.end - rows.begin), count = static_cast<int>(strips_of(dout.cols));
  const Tile dz{strips, P, n * P};
  finish_gated(activation, dz, {out.row(rows.begin), out.stride, P}, dz, n, count, dout.cols);
}
