// Included once per ISA after ops/elementwise.inl.

void forward(const View& out, const View& x, Range range) {
  const View views[] = {out, x};
  each_element(range, views, [](const Vec (&v)[2]) { return sqrt(max(v[1], zero())); });
}

void backward(const View& dx, const View& dout, const View& out, Range range) {
  const View views[] = {dx, dout, out};
  each_element(range, views, [](const Vec (&v)[3]) { return where_positive(v[2], v[1] / (v[2] + v[2])); });
}
