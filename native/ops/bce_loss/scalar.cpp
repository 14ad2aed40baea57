#include <algorithm>
#include <cmath>

#include "ops/bce_loss/bce_loss.h"

namespace dlrm {
namespace {

double forward(const BceLossForward& a, Range range) {
  const float low = a.threshold, high = 1 - a.threshold;
  double sum = 0;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const float x = *a.logits.row(b), y = *a.labels.row(b), v = a.weights ? *a.weights.row(b) : 1, weight = v * a.class_weights[y >= 1];
    const float e = std::exp(-std::fabs(x));
    const float p = (x >= 0 ? 1 : e) / (1 + e);
    float loss = std::log1p(e) + std::max(x, 0.0f) - x * y, slope = p - y;
    if (low > 0 && (p < low || p > high)) {
      const float clamped = std::min(std::max(p, low), high);
      loss = -y * std::log(clamped) - (1 - y) * std::log1p(-clamped);
      slope = 0;
    }
    if (a.saturates) {
      const float q = 1 - p, kept = low > 0 ? std::min(std::max(p, low), high) : p;
      loss = -y * std::max(std::log(kept), -100.0f) - (1 - y) * std::max(std::log1p(-kept), -100.0f);
      slope *= p * q / std::max(p * q, 1e-12f);
    }
    *a.slope.row(b) = weight * slope;
    sum += static_cast<double>(weight) * loss;
  }
  return sum;
}

void backward(const View& dlogits, const View& slope, float scale, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) *dlogits.row(b) = scale * *slope.row(b);
}

}  // namespace

const BceLossKernels bce_loss_scalar = {forward, backward, 25};

}  // namespace dlrm
