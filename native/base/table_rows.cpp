#include "base/table_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace dlrm {
namespace {

const std::pair<DType, const char*> kNames[] = {
    {DType::f32, "f32"}, {DType::i32, "i32"}, {DType::bf16, "bf16"}, {DType::f16, "f16"}, {DType::int8, "int8"}, {DType::int4, "int4"}};

uint8_t* bytes_at(const View& table, int64_t r) {
  return static_cast<uint8_t*>(table.data) + r * table.stride * dtype_bytes(table.dtype);
}

template <class T>
void write(uint8_t* to, T value) {
  memcpy(to, &value, sizeof value);
}

// Columns [begin, end) of a row. A row of none may have no memory, which memcpy must not be given.
void load_part(const View& table, int64_t r, int64_t begin, int64_t end, float* to) {
  const uint8_t* row = bytes_at(table, r);
  if (begin == end) return;
  if (table.dtype == DType::f32)
    memcpy(to, row + begin * 4, static_cast<size_t>(end - begin) * 4);
  else
    for (int64_t k = begin; k < end; ++k) *to++ = row_number(table.dtype, row, table.cols, k);
}

void store_part(const View& table, int64_t r, int64_t begin, int64_t end, const float* from) {
  uint8_t* row = bytes_at(table, r);
  if (begin == end) return;
  if (table.dtype == DType::f32) {
    memcpy(row + begin * 4, from, static_cast<size_t>(end - begin) * 4);
    return;
  }
  const bool bf16 = table.dtype == DType::bf16;
  for (int64_t k = begin; k < end; ++k, ++from) write(row + 2 * k, bf16 ? to_bf16(*from) : to_f16(*from));
}

void range_of(const float* x, int64_t n, float* least, float* most) {
  *least = *most = x[0];
  for (int64_t k = 1; k < n; ++k) {
    *least = x[k] < *least ? x[k] : *least;
    *most = x[k] > *most ? x[k] : *most;
  }
}

// NaN, as everything below 0, becomes 0.
uint8_t level(float x, float most) { return static_cast<uint8_t>(x > most ? most : x >= 0 ? std::nearbyintf(x) : 0); }

void quantise_int8(uint8_t* row, const float* x, int64_t n) {
  float least, most;
  range_of(x, n, &least, &most);
  const float range = most - least, inverse = 255.0f / (range + 1e-8f);
  for (int64_t k = 0; k < n; ++k) row[k] = level((x[k] - least) * inverse, 255);
  write(row + n, range / 255.0f);
  write(row + n + 4, least);
}

void quantise_int4(uint8_t* row, const float* x, int64_t n) {
  float least, most;
  range_of(x, n, &least, &most);
  const uint16_t bias = to_f16(least);
  least = from_f16(bias);
  const float range = most - least;
  float scale = from_f16(to_f16(range == 0 ? 1.0f : range / 15));
  if (scale == 0) scale = 1;
  float inverse = 1 / scale;
  if (std::isinf(inverse)) scale = inverse = 1;
  const int64_t bytes = (n + 1) / 2;
  std::fill_n(row, bytes, uint8_t{0});
  for (int64_t k = 0; k < n; ++k) row[k / 2] = static_cast<uint8_t>(row[k / 2] | level((x[k] - least) * inverse, 15) << 4 * (k % 2));
  write(row + bytes, to_f16(scale));
  write(row + bytes + 2, bias);
}

// fn(row, first column, end column, numbers before it)
template <class F>
void each_part(const View& table, int64_t start, int64_t count, F&& fn) {
  for (int64_t done = 0; done < count;) {
    const int64_t r = (start + done) / table.cols, begin = (start + done) % table.cols;
    const int64_t end = std::min(table.cols, begin + count - done);
    fn(r, begin, end, done);
    done += end - begin;
  }
}

}  // namespace

const char* dtype_name(DType dtype) {
  for (const auto& [each, name] : kNames)
    if (each == dtype) return name;
  return "";
}

DType table_dtype(const char* op, const std::string& name) {
  for (const auto& [dtype, each] : kNames)
    if (name == each && dtype != DType::i32) return dtype;
  fail(Code::argument, "[%s] dtype: expected f32, bf16, f16, int8 or int4, received \"%s\"", op, name.c_str());
}

void load_row(const View& table, int64_t r, float* to) { load_part(table, r, 0, table.cols, to); }

void store_row(const View& table, int64_t r, const float* from) {
  if (table.dtype == DType::int8) return quantise_int8(bytes_at(table, r), from, table.cols);
  if (table.dtype == DType::int4) return quantise_int4(bytes_at(table, r), from, table.cols);
  store_part(table, r, 0, table.cols, from);
}

void load_span(const View& table, int64_t start, int64_t count, float* to) {
  each_part(table, start, count, [&](int64_t r, int64_t begin, int64_t end, int64_t at) { load_part(table, r, begin, end, to + at); });
}

void store_span(const View& table, int64_t start, int64_t count, const float* from) {
  if (!is_quantised(table.dtype))
    return each_part(table, start, count, [&](int64_t r, int64_t begin, int64_t end, int64_t at) { store_part(table, r, begin, end, from + at); });
  if (start % table.cols || count % table.cols)
    fail(Code::shape, "[state] a table of %s takes whole rows of %lld numbers, received start %lld and count %lld", dtype_name(table.dtype),
         static_cast<long long>(table.cols), static_cast<long long>(start), static_cast<long long>(count));
  for (int64_t r = 0; r < count / table.cols; ++r) store_row(table, start / table.cols + r, from + r * table.cols);
}

}  // namespace dlrm
