// Included once per ISA after ops/elementwise.inl.

void multiply(const View& to, const View& x, const View& y, Range range) {
  const View views[] = {to, x, y};
  each_element(range, views, [](const Vec (&v)[3]) { return v[1] * v[2]; });
}
