// W elements of a row at a time. Included once per ISA after simd_math.inl.

// The rows as one long row if no view has a gap between them: a matrix of one column is the usual case.
struct Rows {
  int64_t count, cols;
};
DLRM_INLINE Rows rows_of(Range range, const View& a, const View& b, const View& c) {
  const int64_t n = range.end - range.begin, cols = a.cols;
  if (a.stride == cols && b.stride == cols && c.stride == cols) return {1, n * cols};
  return {n, cols};
}

// Bounds no p reaches stand for no clamping.
DLRM_INLINE float lower_bound(float threshold) { return threshold > 0 ? threshold : -1; }

void forward(const SigmoidForward& a, Range range) {
  const Vec low = set1(lower_bound(a.threshold)), high = set1(1) - low;
  const Rows rows = rows_of(range, a.out, a.x, a.x);
  const auto clamped = [&](Vec x) { return min(high, max(low, sigmoid(x))); };
  for (int64_t r = 0; r < rows.count; ++r) {
    const float* x = a.x.row(range.begin + r);
    float* out = a.out.row(range.begin + r);
    int64_t k = 0;
    for (; k + Vec::W <= rows.cols; k += Vec::W) store(out + k, clamped(load(x + k)));
    const int rest = static_cast<int>(rows.cols - k);
    if (rest) store_n(out + k, clamped(load_n(x + k, rest)), rest);
  }
}

void backward(const SigmoidBackward& a, Range range) {
  const Vec one = set1(1), low = set1(lower_bound(a.threshold)), high = one - low;
  const Rows rows = rows_of(range, a.out, a.dout, a.dx);
  const auto slope = [&](Vec dout, Vec p) {
    const Vec zero_or_nan = p - p;
    return where_positive(min(p - low, high - p), dout * p * (one - p), zero_or_nan);
  };
  for (int64_t r = 0; r < rows.count; ++r) {
    const float *dout = a.dout.row(range.begin + r), *p = a.out.row(range.begin + r);
    float* dx = a.dx.row(range.begin + r);
    int64_t k = 0;
    for (; k + Vec::W <= rows.cols; k += Vec::W) store(dx + k, slope(load(dout + k), load(p + k)));
    const int rest = static_cast<int>(rows.cols - k);
    if (rest) store_n(dx + k, slope(load_n(dout + k, rest), load_n(p + k, rest)), rest);
  }
}
