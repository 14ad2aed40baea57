// How the rows of embedding tables lie in memory, besides float32:
//   bf16, f16  E numbers of 16 bits (base/half.h)
//   int8       E bytes q, then scale and bias as float32:  x = scale q + bias
//   int4       E nibbles q, the even columns' the lower ones, then scale and bias as float16
// int8 and int4 are the row-wise quantisation of FBGEMM and PyTorch, byte for byte what
// torch.ops.quantized.embedding_bag_byte_prepack and embedding_bag_4bit_prepack make: bias is the row's minimum, scale a
// 255th (15th) of its range. A table of NaN or infinities has no such form: they become what the arithmetic gives.
#pragma once
#include <cstring>
#include <string>

#include "base/half.h"
#include "base/view.h"

namespace dlrm {

constexpr bool is_quantised(DType dtype) { return dtype == DType::int8 || dtype == DType::int4; }
constexpr int64_t kInt8Tail = 8, kInt4Tail = 4;  // bytes of scale and bias

// Elements (of int8 and int4: bytes) that a row of a table takes.
constexpr int64_t row_elements(DType dtype, int64_t cols) {
  return dtype == DType::int8 ? cols + kInt8Tail : dtype == DType::int4 ? (cols + 1) / 2 + kInt4Tail : cols;
}
constexpr int64_t row_bytes(DType dtype, int64_t cols) { return row_elements(dtype, cols) * dtype_bytes(dtype); }

const char* dtype_name(DType dtype);  // as options have it: "f32", "bf16", "f16", "int8", "int4"
// One of a table. Throws ERR_ARGUMENT for another name.
DType table_dtype(const char* op, const std::string& name);

// Number k of the row of `cols` numbers that begins here.
inline float row_number(DType dtype, const void* row, int64_t cols, int64_t k) {
  const auto* bytes = static_cast<const uint8_t*>(row);
  const auto half = [&](int64_t at) {
    uint16_t h;
    memcpy(&h, bytes + at, sizeof h);
    return h;
  };
  const auto single = [&](int64_t at) {
    float x;
    memcpy(&x, bytes + at, sizeof x);
    return x;
  };
  switch (dtype) {
    case DType::bf16: return from_bf16(half(2 * k));
    case DType::f16: return from_f16(half(2 * k));
    case DType::int8: return single(cols) * bytes[k] + single(cols + 4);
    case DType::int4: {
      const int64_t tail = (cols + 1) / 2;
      return from_f16(half(tail)) * static_cast<float>(bytes[k / 2] >> 4 * (k % 2) & 15) + from_f16(half(tail + 2));
    }
    default: return single(4 * k);
  }
}

// Row r of a table as floats, and back, to the nearest.
void load_row(const View& table, int64_t r, float* to);
void store_row(const View& table, int64_t r, const float* from);

// Numbers [start, start + count) of a contiguous table, row by row. Of int8 and int4, writing needs whole rows.
void load_span(const View& table, int64_t start, int64_t count, float* to);
void store_span(const View& table, int64_t start, int64_t count, const float* from);

}  // namespace dlrm
