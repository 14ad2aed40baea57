// Products by register tiles of M rows x 2 vectors. Included once per ISA. What is multiplied by a weight is made for a
// stretch of the depth at a time, in the nearest cache, and used by every tile of rows.

constexpr int64_t W = Vec::W;
constexpr int64_t P = 2 * W;                    // a strip: two vectors
constexpr int kTileRows = W == 8 ? 6 : 12;      // 12 of 16 or 24 of 32 registers hold sums
constexpr int64_t kDepth = 4096 / P;            // pairs at once: 16 KB of their products
constexpr int64_t kColumns = 256;               // columns at once of the weight gradient

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
DLRM_INLINE int64_t tiles_of(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }

template <int M>
struct Sums {
  Vec s[M][2];
};

// sums += a b over the depth: a[d * a_depth + m * a_row], b[d * P ...]; V vectors of b.
template <int M, int V>
DLRM_INLINE void multiply(Sums<M>& sums, const float* a, int64_t a_depth, int64_t a_row, const float* b, int64_t depth) {
#pragma GCC unroll 4
  for (int64_t d = 0; d < depth; ++d, a += a_depth, b += P) {
    Vec column[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) column[v] = load(b + v * W);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const Vec row = set1(a[m * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums.s[m][v] = fma(row, column[v], sums.s[m][v]);
    }
  }
}

// f(rows) with rows as a constant.
template <int M = kTileRows, class F>
DLRM_INLINE void with_rows(int64_t rows, F&& f) {
  if constexpr (M > 1) {
    if (rows != M) return with_rows<M - 1>(rows, f);
  }
  f.template operator()<M>();
}

// ---- forward

struct ForwardTile {
  const float *a, *z, *bias;
  float* out;  // rows P apart
  int64_t depth;
  bool first, relu;  // relu: with the last stretch of the depth

  template <int M>
  DLRM_INLINE void operator()() const {
    Sums<M> sums;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sums.s[m][v] = first ? set1(bias[m]) : load(out + m * P + v * W);
    multiply<M, 2>(sums, a, M, 1, z, depth);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) store(out + m * P + v * W, relu ? max(zero(), sums.s[m][v]) : sums.s[m][v]);
  }
};

void forward(const CinForward& a) {
  const CinLayer layer = a.layer;
  const int64_t tiles = tiles_of(layer.maps);
  alignas(64) float z[kDepth * P];
  for (int64_t s = 0; s < a.strips; ++s) {
    const float *x = a.x.data + s * a.x.strip, *x0 = a.x0.data + s * a.x0.strip;
    for (int64_t begin = 0; begin < layer.pairs; begin += kDepth) {
      const int64_t depth = least(kDepth, layer.pairs - begin);
      for (int64_t d = 0; d < depth; ++d) {
        const float *left = x + layer.first[begin + d] * P, *right = x0 + layer.second[begin + d] * P;
        store(z + d * P, load(left) * load(right));
        store(z + d * P + W, load(left + W) * load(right + W));
      }
      for (int64_t t = 0; t < tiles; ++t) {
        const Range rows = chunk_range(layer.maps, tiles, t);
        const int64_t m = rows.end - rows.begin;
        const ForwardTile tile{a.weight + rows.begin * layer.pairs + begin * m, z, a.bias + rows.begin,
                               a.out.data + s * a.out.strip + rows.begin * P, depth, begin == 0,
                               a.relu && begin + depth == layer.pairs};
        with_rows(m, tile);
      }
    }
  }
}

// ---- gradient of the inputs

// y += f t, two vectors.
DLRM_INLINE void add_scaled(float* y, const float* f, const Vec (&t)[2]) {
  store(y, fma(load(f), t[0], load(y)));
  store(y + W, fma(load(f + W), t[1], load(y + W)));
}

struct InputTile {
  const float *a, *d;
  const int32_t *first, *second;
  const float *x, *x0;
  float *dx, *dx0;
  int64_t depth;

  template <int M>
  DLRM_INLINE void operator()() const {
    Sums<M> sums;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) sums.s[m][0] = sums.s[m][1] = zero();
    multiply<M, 2>(sums, a, M, 1, d, depth);
    const int64_t field = second[0];
    if (field != second[M - 1]) {
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        add_scaled(dx + first[m] * P, x0 + second[m] * P, sums.s[m]);
        add_scaled(dx0 + second[m] * P, x + first[m] * P, sums.s[m]);
      }
      return;
    }
    // One field for the whole tile, as nearly always: its gradient stays in registers.
    const Vec low = load(x0 + field * P), high = load(x0 + field * P + W);
    Vec dlow = load(dx0 + field * P), dhigh = load(dx0 + field * P + W);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      float* to = dx + first[m] * P;
      const float* from = x + first[m] * P;
      store(to, fma(low, sums.s[m][0], load(to)));
      store(to + W, fma(high, sums.s[m][1], load(to + W)));
      dlow = fma(load(from), sums.s[m][0], dlow);
      dhigh = fma(load(from + W), sums.s[m][1], dhigh);
    }
    store(dx0 + field * P, dlow);
    store(dx0 + field * P + W, dhigh);
  }
};

void input_gradient(const CinInputGradient& a) {
  const CinLayer layer = a.layer;
  const int64_t tiles = tiles_of(layer.pairs);
  for (int64_t s = 0; s < a.strips; ++s) {
    float* dx = a.dx.data + s * a.dx.strip;
    for (int64_t k = 0; k < a.inputs * P; k += W) store(dx + k, zero());
    for (int64_t t = 0; t < tiles; ++t) {
      const Range rows = chunk_range(layer.pairs, tiles, t);
      const InputTile tile{a.weight + rows.begin * layer.maps, a.d.data + s * a.d.strip,
                           layer.first + rows.begin,           layer.second + rows.begin,
                           a.x.data + s * a.x.strip,           a.x0.data + s * a.x0.strip,
                           dx,                                 a.dx0.data + s * a.dx0.strip,
                           layer.maps};
      with_rows(rows.end - rows.begin, tile);
    }
  }
}

// ---- gradient of the weights

// d's maps as columns: element (c, h) at to[(h / P) * columns * P + c * P + h % P], zero behind the last map.
void transpose_maps(const CinMaps& d, int64_t maps, int64_t strips, float* to) {
  for (int64_t h = 0; h < maps; h += W) {
    float* rows = to + h / P * strips * P * P + h % P;
    for (int64_t s = 0; s < strips; ++s)
      for (int64_t c = 0; c < P; c += W) {
        Vec square[W];
        for (int64_t i = 0; i < W; ++i) square[i] = h + i < maps ? load(d.data + s * d.strip + (h + i) * P + c) : zero();
        transpose(square);
        for (int64_t i = 0; i < W; ++i) store(rows + (s * P + c + i) * P, square[i]);
      }
  }
}

struct WeightTile {
  const float *z, *d;
  float* to;
  int64_t row, depth;  // of `to`; columns
  int vectors;

  template <int M, int V>
  DLRM_INLINE void run() const {
    Sums<M> sums;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums.s[m][v] = load(to + m * row + v * W);
    multiply<M, V>(sums, z, 1, kColumns, d, depth);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) store(to + m * row + v * W, sums.s[m][v]);
  }
  template <int M>
  DLRM_INLINE void operator()() const {
    vectors == 2 ? run<M, 2>() : run<M, 1>();
  }
};

void weight_gradient(const CinWeightGradient& a) {
  const CinLayer layer = a.layer;
  const int64_t columns = a.strips * P, padded = (layer.maps + P - 1) / P * P, tiles = tiles_of(layer.pairs);
  transpose_maps(a.d, layer.maps, a.strips, a.transposed);
  for (int64_t h = 0; h < layer.maps; h += W) {
    const float* d = a.transposed + h / P * columns * P + h % P;
    Vec even = load(a.dbias + h), odd = zero();
    for (int64_t c = 0; c < columns; c += 2) {
      even = even + load(d + c * P);
      odd = odd + load(d + c * P + P);
    }
    store(a.dbias + h, even + odd);
  }
  alignas(64) float z[kTileRows * kColumns];
  for (int64_t begin = 0; begin < columns; begin += kColumns) {
    const int64_t depth = least(kColumns, columns - begin);
    for (int64_t t = 0; t < tiles; ++t) {
      const Range rows = chunk_range(layer.pairs, tiles, t);
      for (int64_t p = rows.begin; p < rows.end; ++p) {
        float* to = z + (p - rows.begin) * kColumns;
        for (int64_t c = 0; c < depth; c += P) {
          const int64_t s = (begin + c) / P;
          const float* left = a.x.data + s * a.x.strip + layer.first[p] * P;
          const float* right = a.x0.data + s * a.x0.strip + layer.second[p] * P;
          store(to + c, load(left) * load(right));
          store(to + c + W, load(left + W) * load(right + W));
        }
      }
      for (int64_t h = 0; h < layer.maps; h += P) {
        const WeightTile tile{z, a.transposed + h * columns + begin * P, a.dweight + rows.begin * padded + h, padded, depth,
                              layer.maps - h > W ? 2 : 1};
        with_rows(rows.end - rows.begin, tile);
      }
    }
  }
}

// ---- to and from rows, P examples at a time

// Squares of W examples and W columns of a matrix: body(first example, first column, columns).
template <class F>
DLRM_INLINE void for_squares(int64_t cols, F&& body) {
  for (int64_t b = 0; b < P; b += W)
    for (int64_t c = 0; c < cols; c += W) body(b, c, static_cast<int>(least(W, cols - c)));
}

DLRM_INLINE void load_square(const View& x, int64_t b, int64_t c, int n, Vec (&square)[W]) {
  for (int64_t i = 0; i < W; ++i) square[i] = n == W ? load(x.row(b + i) + c) : load_n(x.row(b + i) + c, n);
  transpose(square);
}

DLRM_INLINE void store_square(const View& x, int64_t b, int64_t c, int n, Vec (&square)[W]) {
  transpose(square);
  for (int64_t i = 0; i < W; ++i) n == W ? store(x.row(b + i) + c, square[i]) : store_n(x.row(b + i) + c, square[i], n);
}

void load_fields(const CinRows& r, const View& x, int64_t fields, const CinMaps& to) {
  for_squares(fields * r.width, [&](int64_t b, int64_t c, int n) {
    Vec square[W];
    load_square(x, r.rows.begin + b, c, n, square);
    int64_t j = c / r.width, e = c % r.width;
    for (int i = 0; i < n; ++i) {
      store(to.data + e * to.strip + j * P + b, square[i]);
      if (++e == r.width) e = 0, ++j;
    }
  });
}

void unload_fields(const CinRows& r, const View& x, int64_t fields, const CinMaps& a, const CinMaps& more) {
  for_squares(fields * r.width, [&](int64_t b, int64_t c, int n) {
    Vec square[W];
    int64_t j = c / r.width, e = c % r.width;
    for (int i = 0; i < W; ++i) {
      square[i] = i < n ? load(a.data + e * a.strip + j * P + b) + load(more.data + e * more.strip + j * P + b) : zero();
      if (++e == r.width) e = 0, ++j;
    }
    store_square(x, r.rows.begin + b, c, n, square);
  });
}

void pool(const CinRows& r, const CinMaps& x, const View& out) {
  for_squares(out.cols, [&](int64_t b, int64_t h, int n) {
    Vec square[W];
    for (int i = 0; i < W; ++i) {
      square[i] = zero();
      for (int64_t e = 0; i < n && e < r.width; ++e) square[i] = square[i] + load(x.data + e * x.strip + (h + i) * P + b);
    }
    store_square(out, r.rows.begin + b, h, n, square);
  });
}

void spread(const CinRows& r, const View& dout, const CinMaps& d, bool add) {
  for_squares(dout.cols, [&](int64_t b, int64_t h, int n) {
    Vec square[W];
    load_square(dout, r.rows.begin + b, h, n, square);
    for (int64_t e = 0; e < r.width; ++e)
      for (int i = 0; i < n; ++i) {
        float* to = d.data + e * d.strip + (h + i) * P + b;
        store(to, add ? square[i] + load(to) : square[i]);
      }
  });
}

void mask(float* d, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(d + i, where_positive(load(x + i), load(d + i)));
}
