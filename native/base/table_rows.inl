// Rows of tables of each type as kernels read them (table_rows.h). Include once per ISA after simd_half_*.h.
//   Row(row, cols)    the row, of `cols` numbers
//   full(k), some(k, n)  columns [k, k + W), or the row's last n < W from k on, as floats
//   kAnyStart         k of full() may be any; else it is even
//   kElementBytes     of what table strides count

struct F32Row {
  static constexpr int64_t kElementBytes = 4;
  static constexpr bool kAnyStart = true;
  static constexpr int64_t row_bytes(int64_t cols) { return 4 * cols; }
  const float* p;
  DLRM_INLINE F32Row(const void* row, int64_t) : p(static_cast<const float*>(row)) {}
  DLRM_INLINE Vec full(int64_t k) const { return load(p + k); }
  DLRM_INLINE Vec some(int64_t k, int n) const { return load_n(p + k, n); }
};

struct Bf16Row {
  static constexpr int64_t kElementBytes = 2;
  static constexpr bool kAnyStart = true;
  static constexpr int64_t row_bytes(int64_t cols) { return 2 * cols; }
  const uint16_t* p;
  DLRM_INLINE Bf16Row(const void* row, int64_t) : p(static_cast<const uint16_t*>(row)) {}
  DLRM_INLINE Vec full(int64_t k) const { return load_bf16(p + k); }
  DLRM_INLINE Vec some(int64_t k, int n) const { return load_bf16_n(p + k, n); }
};

struct F16Row {
  static constexpr int64_t kElementBytes = 2;
  static constexpr bool kAnyStart = true;
  static constexpr int64_t row_bytes(int64_t cols) { return 2 * cols; }
  const uint16_t* p;
  DLRM_INLINE F16Row(const void* row, int64_t) : p(static_cast<const uint16_t*>(row)) {}
  DLRM_INLINE Vec full(int64_t k) const { return load_f16(p + k); }
  DLRM_INLINE Vec some(int64_t k, int n) const { return load_f16_n(p + k, n); }
};

struct Int8Row {
  static constexpr int64_t kElementBytes = 1;
  static constexpr bool kAnyStart = true;
  static constexpr int64_t row_bytes(int64_t cols) { return cols + 8; }
  const uint8_t* p;
  Vec scale, bias;
  DLRM_INLINE Int8Row(const void* row, int64_t cols) : p(static_cast<const uint8_t*>(row)) {
    float tail[2];
    __builtin_memcpy(tail, p + cols, sizeof tail);
    scale = set1(tail[0]);
    bias = set1(tail[1]);
  }
  DLRM_INLINE Vec full(int64_t k) const { return fma(load_u8(p + k), scale, bias); }
  DLRM_INLINE Vec some(int64_t k, int n) const { return fma(load_u8_n(p + k, n), scale, bias); }
};

struct Int4Row {
  static constexpr int64_t kElementBytes = 1;
  static constexpr bool kAnyStart = false;
  static constexpr int64_t row_bytes(int64_t cols) { return (cols + 1) / 2 + 4; }
  const uint8_t* p;
  Vec scale, bias;
  DLRM_INLINE Int4Row(const void* row, int64_t cols) : p(static_cast<const uint8_t*>(row)) {
    const uint8_t* tail = p + (cols + 1) / 2;
    uint16_t halves[2];
    __builtin_memcpy(halves, tail, sizeof halves);
    scale = set1(_cvtsh_ss(halves[0]));
    bias = set1(_cvtsh_ss(halves[1]));
  }
  DLRM_INLINE Vec full(int64_t k) const { return fma(load_u4(p + k / 2), scale, bias); }
  DLRM_INLINE Vec some(int64_t k, int n) const { return fma(load_u4_n(p + k / 2, n), scale, bias); }
};
