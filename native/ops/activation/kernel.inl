// Included once per ISA.

// The normal distribution function, from erfc(a) = exp(-a q(a)) with a polynomial q fitted to 4e-9 of erf on [0, 4] and
// held beyond, where erfc is below 2e-8.
DLRM_INLINE Vec phi(Vec x) {
  const Vec a = max(x, zero() - x) * set1(0.70710678f), t = min(set1(4.0f), a);
  Vec q = set1(-9.26068787e-6f);
  q = fma(q, t, set1(1.17682474e-4f));
  q = fma(q, t, set1(-6.32990792e-4f));
  q = fma(q, t, set1(1.66732457e-3f));
  q = fma(q, t, set1(-1.60713302e-4f));
  q = fma(q, t, set1(-1.91528779e-2f));
  q = fma(q, t, set1(1.02777772e-1f));
  q = fma(q, t, set1(6.36619389e-1f));
  q = fma(q, t, set1(1.12837923f));
  const Vec tail = set1(0.5f) * exp(zero() - a * q);
  return where_positive(x, set1(1.0f) - tail, tail);
}

template <ActivationKind K>
DLRM_INLINE Vec value(Vec x, Vec weight) {
  if (K == ActivationKind::relu) return max(zero(), x);
  if (K == ActivationKind::prelu) return where_positive(x, x, weight * x);
  if (K == ActivationKind::gelu) return x * phi(x);
  if (K == ActivationKind::sigmoid) return sigmoid(x);
  return tanh(x);
}

template <ActivationKind K>
DLRM_INLINE Vec slope(Vec at, Vec weight) {
  const Vec one = set1(1.0f);
  if (K == ActivationKind::relu) return where_positive(at, one);
  if (K == ActivationKind::prelu) return where_positive(at, one, weight);
  if (K == ActivationKind::gelu) return fma(at * exp(at * at * set1(-0.5f)), set1(0.39894228f), phi(at));
  if (K == ActivationKind::sigmoid) return at * (one - at);
  return one - at * at;
}

// body(k, n): n = W columns from k on, then the rest.
template <class F>
DLRM_INLINE void for_columns(int64_t cols, F body) {
  int64_t k = 0;
  for (; k + Vec::W <= cols; k += Vec::W) body(k, Vec::W);
  if (k < cols) body(k, static_cast<int>(cols - k));
}
DLRM_INLINE Vec load_some(const float* p, int n) { return n == Vec::W ? load(p) : load_n(p, n); }
DLRM_INLINE void store_some(float* p, Vec a, int n) { n == Vec::W ? store(p, a) : store_n(p, a, n); }

template <ActivationKind K>
void forward_rows(const ActivationForward& args, Range rows) {
  const ActivationForward a = args;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const float* x = a.x.row(b);
    float* out = a.out.row(b);
    for_columns(a.x.cols, [&](int64_t k, int n) {
      const Vec weight = K == ActivationKind::prelu ? load_some(a.weight + k, n) : zero();
      store_some(out + k, value<K>(load_some(x + k, n), weight), n);
    });
  }
}

template <ActivationKind K>
void backward_rows(const ActivationBackward& args, Range rows, float* dweight) {
  const ActivationBackward a = args;
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    const float *source = a.source.row(b), *dout = a.dout.row(b);
    float* dx = a.dx ? a.dx.row(b) : nullptr;
    for_columns(a.source.cols, [&](int64_t k, int n) {
      const Vec at = load_some(source + k, n), dy = load_some(dout + k, n);
      const Vec weight = K == ActivationKind::prelu ? load_some(a.weight + k, n) : zero();
      if (dx) store_some(dx + k, dy * slope<K>(at, weight), n);
      if (K != ActivationKind::prelu) return;
      const Vec before = b == rows.begin ? zero() : load_some(dweight + k, n);
      store_some(dweight + k, before + where_positive(at, zero(), dy * at), n);
    });
  }
}

void forward(ActivationKind kind, const ActivationForward& a, Range rows) {
  switch (kind) {
    case ActivationKind::relu: return forward_rows<ActivationKind::relu>(a, rows);
    case ActivationKind::prelu: return forward_rows<ActivationKind::prelu>(a, rows);
    case ActivationKind::gelu: return forward_rows<ActivationKind::gelu>(a, rows);
    case ActivationKind::sigmoid: return forward_rows<ActivationKind::sigmoid>(a, rows);
    case ActivationKind::tanh: return forward_rows<ActivationKind::tanh>(a, rows);
  }
}

void backward(ActivationKind kind, const ActivationBackward& a, Range rows, float* dweight) {
  switch (kind) {
    case ActivationKind::relu: return backward_rows<ActivationKind::relu>(a, rows, dweight);
    case ActivationKind::prelu: return backward_rows<ActivationKind::prelu>(a, rows, dweight);
    case ActivationKind::gelu: return backward_rows<ActivationKind::gelu>(a, rows, dweight);
    case ActivationKind::sigmoid: return backward_rows<ActivationKind::sigmoid>(a, rows, dweight);
    case ActivationKind::tanh: return backward_rows<ActivationKind::tanh>(a, rows, dweight);
  }
}
