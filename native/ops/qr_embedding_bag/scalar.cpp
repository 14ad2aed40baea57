#include "ops/qr_embedding_bag/qr_embedding_bag.h"

namespace dlrm {
namespace {

struct Bag {
  int32_t begin, end;
  float mean;
};

Bag bag_of(const QrPair& p, int64_t b) {
  const int32_t begin = p.offsets[b], end = p.offsets[b + 1];
  return {begin, end, p.mean && end > begin ? 1 / static_cast<float>(end - begin) : 1};
}

float scale(const QrPair& p, const Bag& bag, int32_t i) { return p.weights ? bag.mean * p.weights[i] : bag.mean; }
float q_at(const QrPair& p, int32_t i, int64_t e) { return p.weight_q[p.indices_q[i] * p.q_stride + e]; }
float r_at(const QrPair& p, int32_t i, int64_t e) { return p.weight_r[p.indices_r[i] * p.r_stride + e]; }

void forward(const QrForward& a, Range bags) {
  const QrPair& p = a.pair;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const Bag bag = bag_of(p, b);
    float* out = a.out + b * a.out_stride;
    for (int64_t e = 0; e < p.width; ++e) {
      float q = 0, r = 0, product = 0;
      for (int32_t i = bag.begin; i < bag.end; ++i) {
        const float s = scale(p, bag, i);
        q += s * q_at(p, i, e);
        r += s * r_at(p, i, e);
        product += s * (q_at(p, i, e) * r_at(p, i, e));
      }
      if (p.operation == QrOperation::concat) out[p.width + e] = r;
      out[e] = p.operation == QrOperation::concat ? q : p.operation == QrOperation::add ? q + r : p.pool_first ? q * r : product;
    }
  }
}

void backward(const QrBackward& a, Range bags) {
  const QrPair& p = a.pair;
  const bool concat = p.operation == QrOperation::concat, mult = p.operation == QrOperation::mult;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const Bag bag = bag_of(p, b);
    const float* dout = a.dout + b * a.dout_stride;
    for (int64_t e = 0; e < p.width; ++e) {
      float q = 0, r = 0;  // pooled
      for (int32_t i = bag.begin; i < bag.end; ++i) {
        q += scale(p, bag, i) * q_at(p, i, e);
        r += scale(p, bag, i) * r_at(p, i, e);
      }
      for (int32_t i = bag.begin; i < bag.end; ++i) {
        const float s = scale(p, bag, i);
        a.dlookup_q[i * p.width + e] = s * dout[e] * (mult ? (p.pool_first ? r : r_at(p, i, e)) : 1);
        a.dlookup_r[i * p.width + e] = s * dout[concat ? p.width + e : e] * (mult ? (p.pool_first ? q : q_at(p, i, e)) : 1);
      }
    }
  }
}

}  // namespace

const QrEmbeddingBagKernels qr_embedding_bag_scalar = {forward, backward};

}  // namespace dlrm
