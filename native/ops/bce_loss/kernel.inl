// W examples at a time. Included once per ISA after simd_column.inl and simd_math.inl.

double forward(const BceLossForward& a, Range range) {
  const bool clamps = a.threshold > 0;
  // A clamped p has one of two values: their logarithms come from the C library.
  const float p_high = 1 - a.threshold, p_low = a.threshold < p_high ? a.threshold : p_high;
  const Vec log_low = set1(clamps ? logf(p_low) : 0), log_high = set1(clamps ? logf(p_high) : 0);
  const Vec log1m_low = set1(clamps ? log1pf(-p_low) : 0), log1m_high = set1(clamps ? log1pf(-p_high) : 0);
  const Vec one = set1(1), low = set1(clamps ? a.threshold : -1), high = one - low;
  DoubleSum sum = zero_double();
  each_vector(range, [=, &sum](int64_t b, int n) {
    const Vec x = load_column(a.logits, b, n), y = load_column(a.labels, b, n);
    const Vec e = exp(min(x, zero() - x));
    const Vec p = where_positive(x, one, e) / (one + e);
    const Vec below = low - p, above = p - high, outside = max(below, above);
    const Vec clamped = zero() - y * where_positive(above, log_high, log_low) - (one - y) * where_positive(above, log1m_high, log1m_low);
    const Vec loss = where_positive(outside, clamped, log1p(e) + max(zero(), x) - x * y);
    const Vec of_class = where_positive(one - y, set1(a.class_weights[0]), set1(a.class_weights[1]));
    const Vec weight = a.weights ? load_column(a.weights, b, n) * of_class : of_class;
    store_column(a.slope, b, weight * where_positive(outside, zero(), p - y), n);
    add(sum, first_n(weight * loss, n));
  });
  return total(sum);
}

void backward(const View& dlogits, const View& slope, float scale, Range range) {
  each_vector(range, [=](int64_t b, int n) { store_column(dlogits, b, set1(scale) * load_column(slope, b, n), n); });
}
