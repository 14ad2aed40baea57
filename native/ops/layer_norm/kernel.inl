// Included once per ISA. A wide group is normalised at once. Narrow ones go together, as many as fit a span, since their
// widths are seldom those of vectors: each one's numbers are spread over its columns, then the columns taken as if there were
// no groups.

constexpr int64_t kNarrow = 64, kSpan = 512;

// body(k, n): n = W columns from k on, then the rest.
template <class F>
DLRM_INLINE void for_columns(Range columns, F body) {
  int64_t k = columns.begin;
  for (; k + Vec::W <= columns.end; k += Vec::W) body(k, Vec::W);
  if (k < columns.end) body(k, static_cast<int>(columns.end - k));
}
DLRM_INLINE Vec load_some(const float* p, int n) { return n == Vec::W ? load(p) : load_n(p, n); }
DLRM_INLINE void store_some(float* p, Vec a, int n) { n == Vec::W ? store(p, a) : store_n(p, a, n); }

// The bits from column k on, which need not lie on a byte.
DLRM_INLINE Vec where_bits_at(const uint8_t* bits, int64_t k, Vec x) {
  uint32_t word;
  __builtin_memcpy(&word, bits + k / 8, sizeof word);
  word >>= k % 8;
  const uint8_t own[2] = {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8)};
  return where_bits(own, x);
}

// A number per group, at every column of the span; of a wide group once.
template <bool Narrow>
struct Spread {
  float values[Narrow ? kSpan + Vec::W : 1];
  DLRM_INLINE void set(int64_t from, int64_t width, float value) {
    if (!Narrow) values[0] = value;
    // In ascending order: what is written too much belongs to the next group, or to nobody.
    for (int64_t k = from; Narrow && k < from + width; k += Vec::W) store(values + k, set1(value));
  }
  DLRM_INLINE Vec at(int64_t k) const { return Narrow ? load(values + k) : set1(values[0]); }
};

// body(first group, its columns): one group, or so many narrow ones.
template <bool Narrow, class F>
DLRM_INLINE void for_spans(int64_t groups, int64_t width, F body) {
  const int64_t together = Narrow ? kSpan / width : 1;
  for (int64_t g = 0; g < groups; g += together) {
    const int64_t end = g + together < groups ? g + together : groups;
    body(g, Range{g * width, end * width});
  }
}

struct Group {
  float mean, r;
};

DLRM_INLINE Group statistics(const float* x, Range columns, float eps) {
  const auto width = static_cast<float>(columns.end - columns.begin);
  Vec total = zero(), squares = zero();
  for_columns(columns, [&](int64_t k, int n) { total = total + load_some(x + k, n); });
  const float mean = sum(total) / width;
  for_columns(columns, [&](int64_t k, int n) {
    const Vec d = load_some(x + k, n) - set1(mean);
    squares = fma(d, n == Vec::W ? d : first_n(d, n), squares);
  });
  return {mean, 1 / __builtin_sqrtf(sum(squares) / width + eps)};
}

template <Activation A, bool Drops>
struct Forward {
  static void run(const LayerNormForward& a, Range rows) {
    a.x.cols / a.groups <= kNarrow ? rows_of<true>(a, rows) : rows_of<false>(a, rows);
  }

  template <bool Narrow>
  static void rows_of(const LayerNormForward& args, Range rows) {
    const LayerNormForward a = args;
    const int64_t width = a.x.cols / a.groups;
    Spread<Narrow> mean, r;
    for (int64_t b = rows.begin; b < rows.end; ++b) {
      if (Drops) row_bits(a.mask, b, a.out.cols);
      const float* x = a.x.row(b);
      for_spans<Narrow>(a.groups, width, [&](int64_t first, Range span) {
        for (int64_t k = span.begin, g = first; k < span.end; k += width, ++g) {
          const Group own = statistics(x, {k, k + width}, a.eps);
          a.statistics.row(b)[2 * g] = own.mean;
          a.statistics.row(b)[2 * g + 1] = own.r;
          mean.set(k - span.begin, width, own.mean);
          r.set(k - span.begin, width, own.r);
        }
        float* out = a.out.row(b);
        for_columns(span, [&](int64_t k, int n) {
          Vec z = load_some(x + k, n);
          if (a.weight)
            z = fma((z - mean.at(k - span.begin)) * r.at(k - span.begin), load_some(a.weight + k, n), load_some(a.bias + k, n));
          else
            z = z * r.at(k - span.begin);
          const Vec y = activated<A>(z);
          store_some(out + k, Drops ? where_bits_at(a.mask.row(b), k, y * set1(a.mask.scale)) : y, n);
        });
      });
    }
  }
};

template <Activation A, bool Drops>
struct Backward {
  static void run(const LayerNormBackward& a, Range rows, float* const& dweight, float* const& dbias) {
    a.x.cols / a.groups <= kNarrow ? rows_of<true>(a, rows, dweight, dbias) : rows_of<false>(a, rows, dweight, dbias);
  }

  template <bool Narrow>
  static void rows_of(const LayerNormBackward& args, Range rows, float* dweight, float* dbias) {
    const LayerNormBackward a = args;
    const int64_t width = a.x.cols / a.groups;
    for (int64_t b = rows.begin; b < rows.end; ++b)
      for_spans<Narrow>(a.groups, width, [&](int64_t first, Range span) {
        row_span<Narrow>(a, b, a.statistics.row(b) + 2 * first, span, b == rows.begin, dweight, dbias);
      });
  }

  // dz of n elements of row b from column k on.
  DLRM_INLINE static Vec before_activation(const LayerNormBackward& a, int64_t b, int64_t k, int n, Vec z) {
    Vec dy = load_some(a.dout.row(b) + k, n), y = zero();
    if (A == Activation::sigmoid || A == Activation::tanh) y = load_some(a.out.row(b) + k, n);
    if (Drops) {
      const Vec scale = set1(a.mask.scale);
      dy = where_bits_at(a.mask.row(b), k, dy * scale);
      y = y / scale;
    }
    return times_slope<A>(dy, z, y);
  }

  // dx holds g = weight dz for a while: dx = r (g - mean of g - (x - mean) slope), slope = r * mean of g xhat.
  template <bool Narrow>
  DLRM_INLINE static void row_span(const LayerNormBackward& a, int64_t b, const float* own, Range span, bool fresh, float* dweight,
                                   float* dbias) {
    const int64_t width = a.x.cols / a.groups, from = span.begin;
    const float* x = a.x.row(b);
    float* dx = a.dx ? a.dx.row(b) : nullptr;
    Spread<Narrow> mean, r, part, slope;
    for (int64_t k = 0, g = 0; k < span.end - from; k += width, ++g) {
      mean.set(k, width, own[2 * g]);
      r.set(k, width, own[2 * g + 1]);
    }
    Vec total = zero(), product = zero();
    for_columns(span, [&](int64_t k, int n) {
      const Vec at = load_some(x + k, n), scale = r.at(k - from);
      Vec g, xhat;
      if (a.weight) {
        const Vec weight = load_some(a.weight + k, n), zeros = zero();
        xhat = (at - mean.at(k - from)) * scale;
        const Vec dz = before_activation(a, b, k, n, fma(xhat, weight, load_some(a.bias + k, n)));
        g = dz * weight;
        store_some(dweight + k, fma(dz, xhat, fresh ? zeros : load_some(dweight + k, n)), n);
        store_some(dbias + k, dz + (fresh ? zeros : load_some(dbias + k, n)), n);
      } else {
        xhat = at * scale;  // only as a factor of `product`
        g = before_activation(a, b, k, n, xhat);
      }
      if (!Narrow) total = total + g;
      if (!Narrow) product = fma(g, n == Vec::W ? xhat : first_n(xhat, n), product);
      if (dx) store_some(dx + k, g, n);
    });
    if (!dx) return;
    for (int64_t k = from, i = 0; k < span.end; k += width, ++i) {
      if (Narrow) sums_of(x, dx, {k, k + width}, a.weight ? own[2 * i] : 0, own[2 * i + 1], total, product);
      part.set(k - from, width, a.weight ? sum(total) / static_cast<float>(width) : 0);
      slope.set(k - from, width, own[2 * i + 1] * sum(product) / static_cast<float>(width));
    }
    for_columns(span, [&](int64_t k, int n) {
      const Vec d = load_some(x + k, n) - mean.at(k - from), g = load_some(dx + k, n);
      store_some(dx + k, r.at(k - from) * (g - part.at(k - from) - d * slope.at(k - from)), n);
    });
  }

  DLRM_INLINE static void sums_of(const float* x, const float* gradient, Range columns, float origin, float r, Vec& total,
                                  Vec& product) {
    total = product = zero();
    for_columns(columns, [&](int64_t k, int n) {
      const Vec g = load_some(gradient + k, n);
      total = total + g;
      product = fma(g, (load_some(x + k, n) - set1(origin)) * set1(r), product);
    });
  }
};

void forward(const LayerNormForward& a, Range rows) { run_with<Forward>(a.activation, bool(a.mask.bits), a, rows); }
void backward(const LayerNormBackward& a, Range rows, float* dweight, float* dbias) {
  run_with<Backward>(a.activation, bool(a.mask.bits), a, rows, dweight, dbias);
}
