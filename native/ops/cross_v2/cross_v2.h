// The cross layers of DCN-V2 (Wang et al. 2021, arXiv 2008.13535), all of them in one op, o elementwise.
//   x_{l+1} = x_0 o z_l + x_l,  l = 0..L-1;  out = x_L;  x, out [B,N]
//   full (equation 1):      z_l = W_l x_l + b_l                       W [N,N], b [N]
//   low rank (equation 2):  z_l = U_l V_l^T x_l + b_l                 U, V [N,r]
//   mixture (equation 4):   z_l = sum_e g_e U_e tanh(C_e tanh(V_e^T x_l)) + b_l,  g = softmax(G x_l) over the K experts
//                           U, V [N,K*r], expert e in columns e*r to (e+1)*r;  C [K*r,r], C_e its rows e*r to (e+1)*r;  G [K,N]
// Since the gates of an example sum to one, b_l is the same within the sum and behind it.
// Backward from g = dx_{l+1}:  dz = g o x_0,  dx_0 += g o z_l,  dx_l = g + dz / dx_l.
//
// Matrices lie in strips and blocks of rows as ops/mlp/mlp.h has them, whose kernels do the products; the kernels here do
// what is in between. What lies behind the last column is zero, and stays so.
#pragma once
#include "base/isa.h"
#include "base/view.h"

namespace dlrm {

constexpr int64_t kMaxExperts = 64;

// One expert in one block of rows: `n` = rows * pad(r) numbers in strips, and its gates.
struct CrossExpert {
  const float* gates;  // [rows, K], column of this expert
  int64_t experts, rows, n;
};

struct CrossV2Kernels {
  // Over n numbers, n a multiple of every strip.
  void (*advance)(const float* x0, const float* z, const float* x, float* out, int64_t n);         // x0 z + x
  void (*gradients)(const float* g, const float* x0, const float* z, float* dz, float* dx0, int64_t n);  // dz = g x0, dx0 += g z
  void (*add)(float* y, const float* x, int64_t n);                                                // y += x
  void (*tanh)(const float* x, float* y, int64_t n);
  void (*tanh_gradient)(const float* dy, const float* y, float* dx, int64_t n);                    // dy (1 - y^2)
  // Rows of strips to rows of a matrix.
  void (*store_rows)(const float* strips, const View& to, Range rows);

  // gates [rows,K] = softmax of the strips' first K columns; and back, dlogits to strips, zero behind column K.
  void (*softmax)(const float* strips, float* gates, int64_t rows, int64_t experts);
  void (*softmax_gradient)(const float* dgates, const float* gates, float* strips, int64_t rows, int64_t experts);
  // h2 = tanh(t), gated = g h2.
  void (*gate)(const CrossExpert&, const float* t, float* h2, float* gated);
  // dgates (like gates) = dgated . h2 of each row, dt = g dgated (1 - h2^2).
  void (*gate_gradient)(const CrossExpert&, const float* dgated, const float* h2, float* dgates, float* dt);
};

extern const CrossV2Kernels cross_v2_scalar, cross_v2_avx2, cross_v2_avx512;

}  // namespace dlrm
