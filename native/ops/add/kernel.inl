// Included once per ISA after ops/elementwise.inl.

void copy(const View& to, const View& a, Range range) {
  const View views[] = {to, a};
  each_element(range, views, [](const Vec (&v)[2]) { return v[1]; });
}

void add(const View& to, const View& a, const View& b, Range range) {
  const View views[] = {to, a, b};
  each_element(range, views, [](const Vec (&v)[3]) { return v[1] + v[2]; });
}

void accumulate(const View& to, const View& a, Range range) {
  const View views[] = {to, a};
  const Rows rows = rows_of(range, views);
  for (int64_t r = 0; r < rows.count; ++r) {
    float* x = to.row(range.begin + r);
    const float* y = a.row(range.begin + r);
    int64_t k = 0;
    for (; k + Vec::W <= rows.cols; k += Vec::W) store(x + k, load(x + k) + load(y + k));
    const int rest = static_cast<int>(rows.cols - k);
    if (rest) store_n(x + k, load_n(x + k, rest) + load_n(y + k, rest), rest);
  }
}
