#include "ops/mse_loss/mse_loss.h"

namespace dlrm {
namespace {

double forward(const View& p, const View& y, const View& v, Range range) {
  double sum = 0;
  for (int64_t b = range.begin; b < range.end; ++b) {
    const double error = static_cast<double>(*p.row(b)) - static_cast<double>(*y.row(b));
    sum += error * error * (v ? static_cast<double>(*v.row(b)) : 1);
  }
  return sum;
}

void backward(const MseLossBackward& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b) *a.dp.row(b) = a.scale * (a.v ? *a.v.row(b) : 1) * (*a.p.row(b) - *a.y.row(b));
}

}  // namespace

const MseLossKernels mse_loss_scalar = {forward, backward};

}  // namespace dlrm
