#include <algorithm>
#include <cmath>

#include "ops/cross_v2/cross_v2.h"

namespace dlrm {
namespace {

constexpr int64_t P = 4;  // that of mlp_scalar

// Element (i, c) of a block of `rows` rows.
int64_t at(int64_t rows, int64_t i, int64_t c) { return c / P * rows * P + i * P + c % P; }

void advance(const float* x0, const float* z, const float* x, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = x0[i] * z[i] + x[i];
}

void gradients(const float* g, const float* x0, const float* z, float* dz, float* dx0, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    dz[i] = g[i] * x0[i];
    dx0[i] += g[i] * z[i];
  }
}

void add(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void tanh_all(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::tanh(x[i]);
}

void tanh_gradient(const float* dy, const float* y, float* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

void store_rows(const float* strips, const View& to, Range rows) {
  for (int64_t i = rows.begin; i < rows.end; ++i)
    for (int64_t c = 0; c < to.cols; ++c) to.row(i)[c] = strips[at(rows.end - rows.begin, i - rows.begin, c)];
}

void softmax(const float* strips, float* gates, int64_t rows, int64_t experts) {
  for (int64_t i = 0; i < rows; ++i, gates += experts) {
    float largest = strips[at(rows, i, 0)], sum = 0;
    for (int64_t k = 1; k < experts; ++k) largest = std::max(largest, strips[at(rows, i, k)]);
    for (int64_t k = 0; k < experts; ++k) sum += gates[k] = std::exp(strips[at(rows, i, k)] - largest);
    for (int64_t k = 0; k < experts; ++k) gates[k] /= sum;
  }
}

void softmax_gradient(const float* dgates, const float* gates, float* strips, int64_t rows, int64_t experts) {
  for (int64_t i = 0; i < rows; ++i, gates += experts, dgates += experts) {
    float mean = 0;
    for (int64_t k = 0; k < experts; ++k) mean += gates[k] * dgates[k];
    for (int64_t k = 0; k < (experts + P - 1) / P * P; ++k)
      strips[at(rows, i, k)] = k < experts ? gates[k] * (dgates[k] - mean) : 0;
  }
}

void gate(const CrossExpert& a, const float* t, float* h2, float* gated) {
  for (int64_t k = 0; k < a.n; ++k) {
    h2[k] = std::tanh(t[k]);
    gated[k] = a.gates[k / P % a.rows * a.experts] * h2[k];
  }
}

void gate_gradient(const CrossExpert& a, const float* dgated, const float* h2, float* dgates, float* dt) {
  for (int64_t i = 0; i < a.rows; ++i) dgates[i * a.experts] = 0;
  for (int64_t k = 0; k < a.n; ++k) {
    const int64_t gate = k / P % a.rows * a.experts;
    dgates[gate] += dgated[k] * h2[k];
    dt[k] = a.gates[gate] * dgated[k] * (1 - h2[k] * h2[k]);
  }
}

}  // namespace

const CrossV2Kernels cross_v2_scalar = {advance,    gradients, add,              tanh_all, tanh_gradient,
                                        store_rows, softmax,   softmax_gradient, gate,     gate_gradient};

}  // namespace dlrm
