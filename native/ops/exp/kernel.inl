// Included once per ISA after base/simd_math.inl and ops/elementwise.inl.

void forward(const View& out, const View& x, Range range) {
  const View views[] = {out, x};
  each_element(range, views, [](const Vec (&v)[2]) { return exp(v[1]); });
}

void backward(const View& dx, const View& dout, const View& out, Range range) {
  const View views[] = {dx, dout, out};
  each_element(range, views, [](const Vec (&v)[3]) { return v[1] * v[2]; });
}
