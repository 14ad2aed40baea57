// Included once per ISA. Both passes read x once from memory: blocks of rows stay in the nearest caches.

constexpr int64_t W = Vec::W;
constexpr int64_t kBlock = 16;  // rows

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// body(k, n) for vectors of n <= W columns.
template <class F>
DLRM_INLINE void for_columns(int64_t cols, F&& body) {
  int64_t k = 0;
  for (; k + W <= cols; k += W) body(k, static_cast<int>(W));
  if (k < cols) body(k, static_cast<int>(cols - k));
}

DLRM_INLINE Vec load_upto(const float* p, int n) { return n == W ? load(p) : load_n(p, n); }

// y[k] = f(k, n) over the columns. Where it can, the last vector overlaps the one before: masked stores are slow on some CPUs.
template <class F>
DLRM_INLINE void fill(float* y, int64_t cols, F&& f) {
  if (cols < W) return store_n(y, f(0, static_cast<int>(cols)), static_cast<int>(cols));
  for (int64_t k = 0; k + W <= cols; k += W) store(y + k, f(k, static_cast<int>(W)));
  if (cols % W) store(y + cols - W, f(cols - W, static_cast<int>(W)));
}

float dot(const float* x, const float* y, int64_t cols) {
  Vec even = zero(), odd = zero();
  int64_t k = 0;
  for (; k + 2 * W <= cols; k += 2 * W) {
    even = fma(load(x + k), load(y + k), even);
    odd = fma(load(x + k + W), load(y + k + W), odd);
  }
  for (; k + W <= cols; k += W) even = fma(load(x + k), load(y + k), even);
  if (k < cols) odd = fma(load_n(x + k, static_cast<int>(cols - k)), load_n(y + k, static_cast<int>(cols - k)), odd);
  return sum(even + odd);
}

// Products of x with four vectors of w at a time, the last four times over if there are fewer.
void project(const float* x, int64_t cols, const CrossWeights& w, float* p) {
  for (int64_t l = 0; l < w.layers; l += 4) {
    const int64_t last = w.layers - 1;
    const float* rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = w.w + least(l + i, last) * w.stride;
    Vec acc[4] = {zero(), zero(), zero(), zero()};
    for_columns(cols, [&](int64_t k, int n) {
      const Vec v = load_upto(x + k, n);
      DLRM_UNROLL
      for (int i = 0; i < 4; ++i) acc[i] = fma(v, load(rows[i] + k), acc[i]);
    });
    float sums[4];
    store_sums(sums, acc[0], acc[1], acc[2], acc[3]);
    for (int64_t i = 0; i < least(4, w.layers - l); ++i) p[l + i] = sums[i];
  }
}

void forward(const CrossForward& a, Range rows) {
  const CrossWeights w = a.weights;
  const int64_t cols = a.x.cols;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const float* x = a.x.row(b);
    float* p = a.p.row(b);
    project(x, cols, w, p);
    float alpha = 1;
    for (int64_t l = 0; l < w.layers; ++l) alpha = alpha + alpha * p[l] + w.c[l];
    const Vec scale = set1(alpha);
    fill(a.out.row(b), cols, [&](int64_t k, int n) { return fma(scale, load_upto(x + k, n), load(w.beta + k)); });
  }
}

// What the rows of a block multiply: dp of each layer.
struct Slopes {
  float dp[kMaxCrossLayers][kBlock];
};

// dp of row b, A of all layers; the last alpha.
float slopes_of(const CrossBackward& a, int64_t b, int64_t at, Slopes& slopes) {
  const CrossWeights& w = a.weights;
  const float* p = a.p.row(b);
  float alpha[kMaxCrossLayers + 1];
  alpha[0] = 1;
  for (int64_t l = 0; l < w.layers; ++l) alpha[l + 1] = alpha[l] + alpha[l] * p[l] + w.c[l];
  float dalpha = dot(a.dout.row(b), a.x.row(b), a.x.cols);
  for (int64_t l = w.layers - 1; l >= 0; --l) {
    slopes.dp[l][at] = dalpha * alpha[l];
    a.a[l] += dalpha;
    dalpha = dalpha + dalpha * p[l];
  }
  return alpha[w.layers];
}

void input_gradient(const CrossBackward& a, int64_t b, int64_t at, float alpha, const Slopes& slopes) {
  const CrossWeights w = a.weights;
  const float* g = a.dout.row(b);
  const Vec scale = set1(alpha);
  fill(a.dx.row(b), a.x.cols, [&](int64_t k, int n) {
    Vec d = scale * load_upto(g + k, n);
    for (int64_t l = 0; l < w.layers; ++l) d = fma(set1(slopes.dp[l][at]), load(w.w + l * w.stride + k), d);
    return d;
  });
}

// dw of layers l to l + L over the rows of a block, in registers.
template <int L>
DLRM_INLINE void add_rows(const CrossBackward& a, Range rows, int64_t l, const Slopes& slopes, int64_t k, int n) {
  float* dw = a.dw + l * a.weights.stride + k;
  Vec acc[L];
  DLRM_UNROLL
  for (int i = 0; i < L; ++i) acc[i] = load(dw + i * a.weights.stride);
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const Vec x = load_upto(a.x.row(b) + k, n);
    DLRM_UNROLL
    for (int i = 0; i < L; ++i) acc[i] = fma(set1(slopes.dp[l + i][b - rows.begin]), x, acc[i]);
  }
  DLRM_UNROLL
  for (int i = 0; i < L; ++i) store(dw + i * a.weights.stride, acc[i]);
}

void add_block(const CrossBackward& a, Range rows, const Slopes& slopes) {
  const int64_t layers = a.weights.layers;
  for_columns(a.x.cols, [&](int64_t k, int n) {
    Vec s = load(a.sum + k);
    for (int64_t b = rows.begin; b < rows.end; ++b) s = s + load_upto(a.dout.row(b) + k, n);
    store(a.sum + k, s);
    int64_t l = 0;
    for (; l + 4 <= layers; l += 4) add_rows<4>(a, rows, l, slopes, k, n);
    if (layers - l == 3) return add_rows<3>(a, rows, l, slopes, k, n);
    if (layers - l == 2) return add_rows<2>(a, rows, l, slopes, k, n);
    if (layers - l == 1) return add_rows<1>(a, rows, l, slopes, k, n);
  });
}

void backward(const CrossBackward& a, Range rows) {
  const CrossWeights& w = a.weights;
  for (int64_t k = 0; k < w.layers * w.stride; k += W) store(a.dw + k, zero());
  for (int64_t k = 0; k < w.stride; k += W) store(a.sum + k, zero());
  for (int64_t l = 0; l < w.layers; ++l) a.a[l] = 0;
  for (int64_t first = rows.begin; first < rows.end; first += kBlock) {
    const Range block{first, least(first + kBlock, rows.end)};
    Slopes slopes;
    for (int64_t b = block.begin; b < block.end; ++b) {
      const float alpha = slopes_of(a, b, b - first, slopes);
      if (a.dx.data) input_gradient(a, b, b - first, alpha, slopes);
    }
    add_block(a, block, slopes);
  }
}
