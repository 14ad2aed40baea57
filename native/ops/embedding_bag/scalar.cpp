#include "ops/embedding_bag/embedding_bag.h"

#include "base/table_rows.h"

namespace dlrm {
namespace {

float scale_of(const EmbeddingBagTable& t, int64_t i) {
  return t.weights ? t.weights[i] : t.row_weights ? t.row_weights[t.indices[i]] : 1.0f;
}

float element(const EmbeddingBagTable& t, int64_t i, int64_t e) {
  const char* row = static_cast<const char*>(t.weight) + t.indices[i] * t.weight_stride * dtype_bytes(t.dtype);
  return row_number(t.dtype, row, t.width, e);
}

void pool_max(const EmbeddingBagForward& a, int64_t b) {
  const EmbeddingBagTable& t = a.table;
  float* out = a.out + b * a.out_stride;
  int32_t* positions = a.positions + b * a.positions_stride;
  for (int64_t e = 0; e < t.width; ++e) {
    out[e] = 0;
    positions[e] = -1;
    for (int32_t i = t.offsets[b]; i < t.offsets[b + 1]; ++i) {
      const float value = element(t, i, e);
      if (positions[e] < 0 || value > out[e]) {
        out[e] = value;
        positions[e] = i;
      }
    }
  }
}

void pool_sum(const EmbeddingBagForward& a, int64_t b) {
  const EmbeddingBagTable& t = a.table;
  float* out = a.out + b * a.out_stride;
  const int32_t begin = t.offsets[b], end = t.offsets[b + 1];
  for (int64_t e = 0; e < t.width; ++e) {
    float sum = 0;
    for (int32_t i = begin; i < end; ++i) sum += scale_of(t, i) * element(t, i, e);
    out[e] = t.pooling == Pooling::mean && end > begin ? sum / static_cast<float>(end - begin) : sum;
  }
}

void forward(const EmbeddingBagForward& a, Range bags) {
  for (int64_t b = bags.begin; b < bags.end; ++b) a.table.pooling == Pooling::max ? pool_max(a, b) : pool_sum(a, b);
}

void backward(const EmbeddingBagBackward& a, Range bags) {
  const EmbeddingBagTable& t = a.table;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    for (int32_t i = t.offsets[b]; i < t.offsets[b + 1]; ++i) {
      float dot = 0;
      for (int64_t e = 0; e < t.width; ++e)
        dot += a.dout[b * a.dout_stride + e] * element(t, i, e);
      a.dlookup[i] = dot;
    }
  }
}

}  // namespace

const EmbeddingBagKernels embedding_bag_scalar = {forward, backward};

}  // namespace dlrm
