// Included once per ISA. Rows go four at a time where sums over them are kept in memory, so that these are read and written
// less often than x; everything streams.

// body(k, n): n = W columns from k on, then the rest.
template <class F>
DLRM_INLINE void for_columns(int64_t cols, F body) {
  int64_t k = 0;
  for (; k + Vec::W <= cols; k += Vec::W) body(k, Vec::W);
  if (k < cols) body(k, static_cast<int>(cols - k));
}
DLRM_INLINE Vec load_some(const float* p, int n) { return n == Vec::W ? load(p) : load_n(p, n); }
DLRM_INLINE void store_some(float* p, Vec a, int n) { n == Vec::W ? store(p, a) : store_n(p, a, n); }

struct Sums {
  Vec first, second;
};

// Adds the rows of `rows` to the sums; each(b, k, n, sums) adds one.
template <class F>
DLRM_INLINE void add_rows(Range rows, int64_t cols, float* first, float* second, F each) {
  constexpr int64_t kTogether = 4;
  for (int64_t b = rows.begin; b < rows.end; b += kTogether) {
    const int64_t end = b + kTogether < rows.end ? b + kTogether : rows.end;
    const bool fresh = b == rows.begin, four = end - b == kTogether;
    for_columns(cols, [&](int64_t k, int n) {
      Sums sums{zero(), zero()};
      if (!fresh) sums = {load_some(first + k, n), load_some(second + k, n)};
      if (four)
        for (int64_t i = 0; i < kTogether; ++i) each(b + i, k, n, sums);
      else
        for (int64_t i = b; i < end; ++i) each(i, k, n, sums);
      store_some(first + k, sums.first, n);
      store_some(second + k, sums.second, n);
    });
  }
}

// Deviations are taken from the first of the rows: its distance from the mean is at most sqrt(rows) deviations, so that
// the subtraction at the end loses no more than a factor of rows.
void moments(const View& view, Range rows, float* first, float* second) {
  const View x = view;
  const float* shift = x.row(rows.begin);
  add_rows(rows, x.cols, first, second, [&](int64_t b, int64_t k, int n, Sums& sums) {
    const Vec d = load_some(x.row(b) + k, n) - load_some(shift + k, n);
    sums = {sums.first + d, fma(d, d, sums.second)};
  });
  const Vec count = set1(static_cast<float>(rows.end - rows.begin));
  for_columns(x.cols, [&](int64_t k, int n) {
    const Vec sum = load_some(first + k, n), mean = sum / count;
    store_some(first + k, load_some(shift + k, n) + mean, n);
    store_some(second + k, max(load_some(second + k, n) - sum * mean, zero()), n);
  });
}

template <Activation A, bool Drops>
struct Forward {
  static void run(const BatchNormForward& a, Range rows) {
    const BatchNormColumns c = a.columns;
    const Vec scale = set1(a.mask.scale);
    for (int64_t b = rows.begin; b < rows.end; ++b) {
      if (Drops) row_bits(a.mask, b, a.out.cols);
      const uint8_t* bits = Drops ? a.mask.row(b) : nullptr;
      const float* x = a.x.row(b);
      float* out = a.out.row(b);
      for_columns(a.out.cols, [&](int64_t k, int n) {
        const Vec d = load_some(x + k, n) - load_some(c.mean + k, n);
        const Vec y = activated<A>(fma(d, load_some(c.scale + k, n), load_some(c.bias + k, n)));
        store_some(out + k, Drops ? where_bits(bits + k / 8, y * scale) : y, n);
      });
    }
  }
};

// dz of n elements of row b from column k on; d = x - mean.
template <Activation A, bool Drops>
DLRM_INLINE Vec before_activation(const BatchNormBackward& a, int64_t b, int64_t k, int n, Vec d) {
  Vec dy = load_some(a.dout.row(b) + k, n), z = zero(), y = zero();
  if (A == Activation::relu) z = fma(d, load_some(a.columns.scale + k, n), load_some(a.columns.bias + k, n));
  if (A == Activation::sigmoid || A == Activation::tanh) y = load_some(a.out.row(b) + k, n);
  if (Drops) {
    const Vec scale = set1(a.mask.scale);
    dy = where_bits(a.mask.row(b) + k / 8, dy * scale);
    y = y / scale;
  }
  return times_slope<A>(dy, z, y);
}

template <Activation A, bool Drops>
struct GradientSums {
  static void run(const BatchNormBackward& args, Range rows, float* const& first, float* const& second) {
    const BatchNormBackward a = args;
    add_rows(rows, a.x.cols, first, second, [&](int64_t b, int64_t k, int n, Sums& sums) {
      const Vec d = load_some(a.x.row(b) + k, n) - load_some(a.columns.mean + k, n);
      const Vec dz = before_activation<A, Drops>(a, b, k, n, d);
      sums = {sums.first + dz, fma(dz, d, sums.second)};
    });
  }
};

template <Activation A, bool Drops>
struct Backward {
  static void run(const BatchNormBackward& args, Range rows) {
    const BatchNormBackward a = args;
    const BatchNormColumns c = a.columns;
    for (int64_t b = rows.begin; b < rows.end; ++b) {
      const float* x = a.x.row(b);
      float* dx = a.dx.row(b);
      for_columns(a.x.cols, [&](int64_t k, int n) {
        const Vec d = load_some(x + k, n) - load_some(c.mean + k, n);
        const Vec dz = before_activation<A, Drops>(a, b, k, n, d);
        const Vec centred = dz - load_some(c.mean_dz + k, n) - d * load_some(c.slope + k, n);
        store_some(dx + k, load_some(c.scale + k, n) * centred, n);
      });
    }
  }
};

void forward(const BatchNormForward& a, Range rows) { run_with<Forward>(a.activation, bool(a.mask.bits), a, rows); }
void gradient_sums(const BatchNormBackward& a, Range rows, float* first, float* second) {
  run_with<GradientSums>(a.activation, bool(a.mask.bits), a, rows, first, second);
}
void backward(const BatchNormBackward& a, Range rows) { run_with<Backward>(a.activation, bool(a.mask.bits), a, rows); }
