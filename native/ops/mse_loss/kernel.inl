// W examples at a time. Included once per ISA after simd_column.inl.

double forward(const View& p, const View& y, Range range) {
  DoubleSum sum = zero_double();
  each_vector(range, [=, &sum](int64_t b, int n) { add_squares(sum, load_column(p, b, n) - load_column(y, b, n)); });
  return total(sum);
}

void backward(const MseLossBackward& a, Range range) {
  each_vector(range, [=](int64_t b, int n) {
    store_column(a.dp, b, set1(a.scale) * (load_column(a.p, b, n) - load_column(a.y, b, n)), n);
  });
}
