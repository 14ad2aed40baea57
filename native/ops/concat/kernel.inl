// Rows of one to a few vectors: a call of memcpy for each would cost more than the copy. Included once per ISA.

constexpr int64_t kCallCols = 128;  // from here on the call is lost in the copy, and memcpy knows the machine

void copy(const View& to, const View& from, Range range) {
  const int64_t cols = from.cols, last = cols - Vec::W, rows = range.end - range.begin;
  const int64_t in_stride = from.stride, out_stride = to.stride;
  const float* in = from.row(range.begin);
  float* out = to.row(range.begin);
  for (int64_t b = 0; b < rows; ++b, in += in_stride, out += out_stride) {
    if (cols >= kCallCols) {
      memcpy(out, in, static_cast<size_t>(cols) * sizeof(float));
    } else if (last >= 0) {
      for (int64_t k = 0; k < last; k += Vec::W) store(out + k, load(in + k));
      store(out + last, load(in + last));  // may overlap the one before
    } else {
      store_n(out, load_n(in, static_cast<int>(cols)), static_cast<int>(cols));
    }
  }
}
