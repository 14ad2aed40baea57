// The only tensor type: a non-owning matrix whose rows may lie further apart than they are long.
#pragma once
#include <cstdint>

namespace dlrm {

// bf16, f16, int8 and int4 are storage of tables only: base/table_rows.h.
enum class DType : uint8_t { f32, i32, bf16, f16, int8, int4 };
// Of one element; rows of int8 and int4 are bytes.
constexpr int64_t dtype_bytes(DType dtype) {
  return dtype == DType::f32 || dtype == DType::i32 ? 4 : dtype == DType::bf16 || dtype == DType::f16 ? 2 : 1;
}

struct View {
  void* data = nullptr;
  DType dtype = DType::f32;
  int64_t rows = 0, cols = 0;
  int64_t stride = 0;  // elements from one row to the next

  float* f32() const { return static_cast<float*>(data); }
  int32_t* i32() const { return static_cast<int32_t*>(data); }
  float* row(int64_t r) const { return f32() + r * stride; }
  explicit operator bool() const { return data != nullptr; }
};

// Half-open range of rows, tiles or tasks.
struct Range {
  int64_t begin, end;
};

// Chunk i of `total` items cut into `chunks` nearly equal parts; depends on nothing else, so results do not
// depend on the number of threads.
inline Range chunk_range(int64_t total, int64_t chunks, int64_t i) {
  const int64_t base = total / chunks, extra = total % chunks;
  const int64_t begin = i * base + (i < extra ? i : extra);
  return {begin, begin + base + (i < extra)};
}

}  // namespace dlrm
