// Included once per ISA, behind mask.inl.

DLRM_INLINE void keep_row(const float* from, const uint8_t* bits, Vec scale, float* to, int64_t cols) {
  int64_t k = 0;
  for (; k + Vec::W <= cols; k += Vec::W) store(to + k, where_bits(bits + k / 8, load(from + k) * scale));
  const int rest = static_cast<int>(cols - k);
  if (rest) store_n(to + k, where_bits(bits + k / 8, load_n(from + k, rest) * scale), rest);
}

void forward(const View& from, const DropoutMask& mask, const View& to, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    row_bits(mask, b, to.cols);
    keep_row(from.row(b), mask.row(b), set1(mask.scale), to.row(b), to.cols);
  }
}

void backward(const View& from, const DropoutMask& mask, const View& to, Range rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b)
    keep_row(from.row(b), mask.row(b), set1(mask.scale), to.row(b), to.cols);
}
