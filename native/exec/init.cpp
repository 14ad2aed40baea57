#include "exec/init.h"

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "base/table_rows.h"

namespace dlrm {
namespace {

constexpr int64_t kPerBlock = 4;  // numbers made of one Philox block

void block(const Init& init, Philox rng, uint64_t counter, uint64_t stream, float* out) {
  const Philox::Block bits = rng(counter, stream);
  if (init.kind == Init::normal) {
    normal_pair(bits.v[0], bits.v[1], out);
    normal_pair(bits.v[2], bits.v[3], out + 2);
    for (int k = 0; k < kPerBlock; ++k) out[k] = static_cast<float>(init.a + init.b * out[k]);
  } else {
    for (int k = 0; k < kPerBlock; ++k) out[k] = static_cast<float>(init.a + (init.b - init.a) * uniform01(bits.v[k]));
  }
}

void fill(const View& view, float value) {
  const std::vector<float> row(static_cast<size_t>(view.cols), value);
  for (int64_t r = 0; r < view.rows; ++r) store_row(view, r, row.data());
}

// A table that is not of floats: the same numbers, rounded; a row at a time.
void init_rows(const Init& init, const View& view, uint64_t seed, uint64_t stream, Pool* pool) {
  const int64_t chunks = (view.rows * view.cols + 16383) / 16384;
  for_chunks(pool, chunks, 20.0 * static_cast<double>(view.rows * view.cols), [&](int64_t chunk) {
    std::vector<float> row(static_cast<size_t>(view.cols));
    const Range range = chunk_range(view.rows, chunks, chunk);
    for (int64_t r = range.begin; r < range.end; ++r) {
      for (int64_t k = 0; k < view.cols;) {
        const int64_t i = r * view.cols + k;
        float values[kPerBlock];
        block(init, Philox{seed}, static_cast<uint64_t>(i / kPerBlock), stream, values);
        for (int64_t e = i % kPerBlock; e < kPerBlock && k < view.cols; ++e) row[static_cast<size_t>(k++)] = values[e];
      }
      store_row(view, r, row.data());
    }
  });
}

}  // namespace

void init_parameter(const ParamSpec& spec, const View& view, uint64_t seed, uint64_t stream, Pool* pool) {
  if (spec.init.kind == Init::zeros) return fill(view, 0);
  if (spec.init.kind == Init::ones) return fill(view, 1);
  if (view.dtype != DType::f32) return init_rows(spec.init, view, seed, stream, pool);
  const int64_t total = view.rows * view.cols, blocks = (total + kPerBlock - 1) / kPerBlock;
  const int64_t chunks = (blocks + 4095) / 4096;
  for_chunks(pool, chunks, 20.0 * static_cast<double>(total), [&](int64_t chunk) {
    const Range range = chunk_range(blocks, chunks, chunk);
    for (int64_t i = range.begin; i < range.end; ++i) {
      float values[kPerBlock];
      block(spec.init, Philox{seed}, static_cast<uint64_t>(i), stream, values);
      for (int64_t e = i * kPerBlock; e < std::min(total, (i + 1) * kPerBlock); ++e)
        view.row(e / view.cols)[e % view.cols] = values[e % kPerBlock];
    }
  });
}

}  // namespace dlrm
