#include "ops/linear_bag/linear_bag.h"

namespace dlrm {
namespace {

void forward(const LinearBagArgs& a, Range bags) {
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    float out = a.bias ? *a.bias : 0;
    for (int64_t k = 0; k < a.column_count; ++k) {
      const LinearBagColumn& c = a.columns[k];
      const int32_t begin = c.offsets[b], end = c.offsets[b + 1];
      float sum = 0;
      for (int32_t i = begin; i < end; ++i) sum += (c.weights ? c.weights[i] : 1) * c.weight[c.indices[i] * c.weight_stride];
      out += c.mean && end > begin ? sum / static_cast<float>(end - begin) : sum;
    }
    a.out[b * a.out_stride] = out;
  }
}

void backward(const LinearBagArgs& a, Range bags) {
  for (int64_t k = 0; k < a.column_count; ++k) {
    const LinearBagColumn& c = a.columns[k];
    for (int64_t b = bags.begin; b < bags.end; ++b)
      for (int32_t i = c.offsets[b]; i < c.offsets[b + 1]; ++i)
        c.dlookup[i] = c.mean ? 0 : a.out[b * a.out_stride] * c.weight[c.indices[i] * c.weight_stride];
  }
}

}  // namespace

const LinearBagKernels linear_bag_scalar = {forward, backward};

}  // namespace dlrm
