// A chain of fully connected layers, y_l = f_l(y_{l-1} W_l^T + b_l), in one op.
//   x      [B,K_0]   f32
//   W_l    [N_l,K_l] f32, K_l = N_{l-1};  b_l [N_l], or no biases at all
//   f      relu: max(0, z);  sigmoid: 1 / (1 + exp(-z));  tanh;  none
// Backward, from dy of the last layer down (row blocks are independent of each other):
//   dz_l = dy_l * f_l'(y_l)          relu: [y > 0];  sigmoid: y (1 - y);  tanh: 1 - y^2
//   dy_{l-1} = dz_l W_l
//   dW_l = dz_l^T y_{l-1},  db_l = sum of dz_l over the batch
// With precision bf16 (precision.h) W_l, y_{l-1} and dz_l are rounded in all of this, b_l and the last y are not; a hidden
// layer's f' is that of the rounded y.
//
// Inside the op a matrix lies in strips. Its rows are cut into blocks of R (the last may be shorter); a block of r rows
// and C columns is ceil(C/P) strips of P columns, one behind the other, each strip row by row:
//   element (i, c) of a block at block[(c/P) * r * P + i * P + c%P],  block q at base[q * R * pad(C)]
// so that the micro-kernels read both factors without gaps, whatever B, N and K are. P is the kernels' own choice; what
// lies in the padding behind column C is never used.
// Every element is summed in an order that depends on the depth of the product alone: results are bitwise the same
// for any number of threads, and y of an example is the same in a batch of any size.
#pragma once
#include "base/isa.h"
#include "base/view.h"
#include "ops/mlp/sparse.h"
#include "ops/fused_activation.h"

namespace dlrm {

// out[i, c] = finish(bias[c] + sum over d of in[i,d] * matrix[d,c]) for one block of rows.
//   forward:        matrix = W^T, finish = activation
//   input gradient: matrix = W, no bias, finish = times the derivative of `activation` taken from the values in `gate`
struct MlpProduct {
  const float* in;      // strips, rows x depth
  const float* matrix;  // strips, depth x cols
  const float* bias;    // [pad(cols)] or null
  const float* gate;    // strips, rows x cols, or null
  float* out;
  int64_t out_row, out_strip;  // elements from one row, one strip to the next: strips, or a row-major matrix
  int64_t writable;            // columns that may be written: pad(cols) of strips, cols of a row-major matrix
  int64_t rows, depth, cols;
  Activation activation;
};

// dW (and db) = dz^T x over the whole batch.
struct MlpWeightGradient {
  View dweight, dbias;  // [N,K], [1,N]; either may be null
  const float *dz, *x;  // strips, B x N and B x K
  int64_t batch, block_rows, outputs, inputs;
};

struct MlpKernels {
  int64_t strip;  // P

  // Strips of W^T (weights [N,K], N columns in strips) or of W (K columns in strips): of each strip the K or N rows `rows`,
  // which begin at a multiple of P.
  void (*pack_transposed)(const View& weight, float* packed, Range strips, Range rows);
  void (*pack)(const View& weight, float* packed, Range strips, Range rows);
  // One block: x rows to strips; dz of the last layer from dout and out.
  void (*load_rows)(const View& x, float* strips, Range rows);
  void (*output_gradient)(const View& dout, const View& out, Activation activation, float* strips, Range rows);
  void (*product)(const MlpProduct&, Range strips);
  // Rows in `outputs` strips of dW, columns in `inputs` strips; db for these rows if inputs begins at 0.
  void (*weight_gradient)(const MlpWeightGradient&, Range outputs, Range inputs);
  MlpSparseKernels sparse;
};

extern const MlpKernels mlp_scalar, mlp_avx2, mlp_avx512;

}  // namespace dlrm
