// Elementary functions over Vec. Include after simd_<isa>.h, in the same region. Every ISA gives the same bits.

// e^x, x clamped to [-87, 88]. Cody-Waite reduction to [-ln2/2, ln2/2], then Taylor's polynomial of degree 7: 1.1 ulp.
DLRM_INLINE Vec exp(Vec x) {
  x = min(set1(88.0f), max(set1(-87.0f), x));
  const Vec n = nearest(x * set1(1.44269504f));
  const Vec r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), x));
  Vec p = set1(1.0f / 5040);
  p = fma(p, r, set1(1.0f / 720));
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  return times_pow2(fma(p * r, r, r) + set1(1.0f), n);
}

// tanh, as expm1(2|x|) / (expm1(2|x|) + 2) with the reduction of exp: 2 ulp; NaN stays NaN.
DLRM_INLINE Vec tanh(Vec x) {
  Vec a = max(x, zero() - x);
  a = min(set1(20.0f), a + a);
  const Vec n = nearest(a * set1(1.44269504f));
  const Vec r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), a));
  Vec p = set1(1.0f / 5040);
  p = fma(p, r, set1(1.0f / 720));
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  const Vec one = set1(1.0f), scale = times_pow2(one, n), e = fma(fma(p * r, r, r), scale, scale - one);
  const Vec y = e / (e + set1(2.0f));
  return where_positive(x, y, zero() - y);
}

// 1 / (1 + e^-x); NaN stays NaN.
DLRM_INLINE Vec sigmoid(Vec x) { return set1(1.0f) / (set1(1.0f) + exp(zero() - x)); }

// log(1 + x) for x in [0, 1], as 2 atanh(s) = x - s (x - s^2 P(s^2)) with s = x / (2 + x), P minimax of degree 3: 1.4 ulp.
DLRM_INLINE Vec log1p(Vec x) {
  const Vec s = x / (set1(2.0f) + x), z = s * s;
  Vec p = set1(0.280119866f);
  p = fma(p, z, set1(0.280018061f));
  p = fma(p, z, set1(0.400215268f));
  p = fma(p, z, set1(0.666664183f));
  return x - s * (x - p * z);
}
