// Included once per ISA. Everything but the softmax runs over whole vectors: strips have no tails.

constexpr int64_t W = Vec::W;
constexpr int64_t P = 2 * W;

DLRM_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void advance(const float* x0, const float* z, const float* x, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(out + i, fma(load(x0 + i), load(z + i), load(x + i)));
}

void gradients(const float* g, const float* x0, const float* z, float* dz, float* dx0, int64_t n) {
  for (int64_t i = 0; i < n; i += W) {
    const Vec d = load(g + i);
    store(dz + i, d * load(x0 + i));
    store(dx0 + i, fma(d, load(z + i), load(dx0 + i)));
  }
}

void add(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(y + i, load(y + i) + load(x + i));
}

void tanh_all(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(y + i, tanh(load(x + i)));
}

DLRM_INLINE Vec tanh_slope(Vec y) { return set1(1.0f) - y * y; }

void tanh_gradient(const float* dy, const float* y, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store(dx + i, load(dy + i) * tanh_slope(load(y + i)));
}

void store_rows(const float* strips, const View& to, Range rows) {
  const int64_t count = rows.end - rows.begin;
  for (int64_t c = 0; c < to.cols; c += W) {
    const float* from = strips + c / P * count * P + c % P;
    const int n = static_cast<int>(least(W, to.cols - c));
    for (int64_t i = 0; i < count; ++i) {
      float* y = to.row(rows.begin + i) + c;
      n == W ? store(y, load(from + i * P)) : store_n(y, load(from + i * P), n);
    }
  }
}

void softmax(const float* strips, float* gates, int64_t rows, int64_t experts) {
  float e[kMaxExperts];
  for (int64_t i = 0; i < rows; ++i, gates += experts) {
    float largest = strips[i * P];
    for (int64_t k = 0; k < experts; ++k) {
      const float x = strips[k / P * rows * P + i * P + k % P];
      largest = x > largest ? x : largest;
    }
    for (int64_t k = 0; k < experts; k += W)
      store(e + k, exp(load(strips + k / P * rows * P + i * P + k % P) - set1(largest)));
    float sum = 0;
    for (int64_t k = 0; k < experts; ++k) sum += e[k];
    for (int64_t k = 0; k < experts; ++k) gates[k] = e[k] / sum;
  }
}

void softmax_gradient(const float* dgates, const float* gates, float* strips, int64_t rows, int64_t experts) {
  for (int64_t i = 0; i < rows; ++i, gates += experts, dgates += experts) {
    float mean = 0;
    for (int64_t k = 0; k < experts; ++k) mean += gates[k] * dgates[k];
    for (int64_t k = 0; k < (experts + P - 1) / P * P; ++k)
      strips[k / P * rows * P + i * P + k % P] = k < experts ? gates[k] * (dgates[k] - mean) : 0;
  }
}

void gate(const CrossExpert& a, const float* t, float* h2, float* gated) {
  for (int64_t strip = 0; strip < a.n; strip += a.rows * P) {
    for (int64_t i = 0; i < a.rows; ++i) {
      const int64_t at = strip + i * P;
      const Vec g = set1(a.gates[i * a.experts]), first = tanh(load(t + at)), second = tanh(load(t + at + W));
      store(h2 + at, first);
      store(h2 + at + W, second);
      store(gated + at, g * first);
      store(gated + at + W, g * second);
    }
  }
}

void gate_gradient(const CrossExpert& a, const float* dgated, const float* h2, float* dgates, float* dt) {
  for (int64_t i = 0; i < a.rows; ++i) {
    const Vec g = set1(a.gates[i * a.experts]);
    Vec dot = zero();
    for (int64_t at = i * P; at < a.n; at += a.rows * P) {
      for (int64_t k = at; k < at + P; k += W) {
        const Vec d = load(dgated + k), h = load(h2 + k);
        dot = fma(d, h, dot);
        store(dt + k, g * d * tanh_slope(h));
      }
    }
    dgates[i * a.experts] = sum(dot);
  }
}
