// W examples at a time. Included once per ISA after simd_column.inl.

double forward(const View& p, const View& y, const View& v, Range range) {
  DoubleSum sum = zero_double();
  each_vector(range, [=, &sum](int64_t b, int n) {
    const Vec error = load_column(p, b, n) - load_column(y, b, n);
    add_products(sum, v ? load_column(v, b, n) * error : error, error);
  });
  return total(sum);
}

void backward(const MseLossBackward& a, Range range) {
  each_vector(range, [=](int64_t b, int n) {
    const Vec scale = a.v ? set1(a.scale) * load_column(a.v, b, n) : set1(a.scale);
    store_column(a.dp, b, scale * (load_column(a.p, b, n) - load_column(a.y, b, n)), n);
  });
}
