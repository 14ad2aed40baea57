// mlp with precision bf16 where the machine multiplies bfloat16: the layers of mlp.h, every factor rounded (precision.h).
//   y_l = f_l(r(y_{l-1}) r(W_l)^T + b_l);  r(y_l) is what is kept of a hidden layer, and f' is taken there; of the last at y
//   dz_l = r(dy_l * f_l'),  dy_{l-1} = dz_l r(W_l),  dW_l = dz_l^T r(y_{l-1}),  db_l = sum of dz_l
//
// Matrices of bfloat16 lie in cells of up to 32 x 32, in one of two forms:
//   rows form of [M,C]: block q of 32 rows (the last may have less, r); its cells side by side, each row by row:
//     element (i, c) at cells[q * 32 * pad(C) + c/32 * r * 32 + i%32 * 32 + c%32]
//     the columns behind C, up to pad(C), are finite: zero, or f(0)
//   pairs form of [D,C], D the depth of a product: strips of 16 columns, all of the depth, two rows of it interleaved:
//     element (d, c) at strips[c/16 * D' * 16 + d/2 * 32 + c%16 * 2 + d%2], D' = pad(D); zero behind row D
// which are what the bfloat16 instructions read: a pair of the depth, broadcast, against 16 pairs; or 16 rows of 32 against
// 16 pairs of rows (AMX). pad() rounds up to 32.
// Every element is summed in an order that depends on the depth alone, as in mlp.h.
#pragma once
#include "base/bf16.h"
#include "base/isa.h"
#include "base/view.h"
#include "ops/fused_activation.h"
#include "ops/op.h"

namespace dlrm {

constexpr int64_t kBf16Cell = 32, kBf16Strip = 16;
constexpr int64_t pad_bf16(int64_t n) { return (n + kBf16Cell - 1) / kBf16Cell * kBf16Cell; }
constexpr int64_t strips_bf16(int64_t cols) { return (cols + kBf16Strip - 1) / kBf16Strip; }

// out[i, c] = finish(bias[c] + sum over d of in[i,d] * matrix[d,c]) for some blocks of rows; see MlpProduct.
struct MlpBf16Product {
  const uint16_t* in;      // rows form, rows x depth
  const uint16_t* matrix;  // pairs form, depth x cols
  const float* bias;       // [16 * strips] or null
  const uint16_t* gate;    // rows form, rows x cols, or null
  uint16_t* cells;         // the result, rounded, in rows form; or null:
  float* out;              // row-major
  int64_t out_stride;
  int64_t rows, depth, cols;
  Activation activation;
};

// dW = dz^T x over the batch, which is cut into pieces of 32. db from dz itself.
struct MlpBf16WeightGradient {
  View dweight, dbias;         // [N,K], [1,N]; either may be null
  const uint16_t* transposed;  // piece after piece: dz^T in rows form, pad(N) x 32
  const uint16_t* pairs;       // piece after piece: x in pairs form, 32 x pad(K)
  const uint16_t* dz;          // rows form, B x N
  int64_t batch, outputs, inputs;
};

struct MlpBf16Kernels {
  // Pairs form of W^T (strips of N) or of W (strips of K), from W [N,K].
  void (*pack_transposed)(const View& weight, uint16_t* packed, Range strips);
  void (*pack)(const View& weight, uint16_t* packed, Range strips);
  // One block (at most 32 rows, from a multiple of 32): rows of x to rows form; dz of the last layer from dout and out.
  void (*load_rows)(const View& x, uint16_t* cells, Range rows);
  void (*output_gradient)(const View& dout, const View& out, Activation activation, uint16_t* cells, Range rows);
  void (*product)(const MlpBf16Product&, Range strips);
  // One block of `rows` rows in rows form as a piece of the weight gradient, zero behind the rows.
  void (*transpose)(const uint16_t* cells, int64_t rows, int64_t cols, uint16_t* transposed);
  void (*pair)(const uint16_t* cells, int64_t rows, int64_t cols, uint16_t* pairs);
  // Rows in `outputs` cells of dW, columns in `inputs` strips; db for these rows if inputs begins at 0.
  void (*weight_gradient)(const MlpBf16WeightGradient&, Range outputs, Range inputs);
};

extern const MlpBf16Kernels mlp_bf16_avx512, mlp_bf16_amx;

// Those of this instruction set, or null: it has no products of bfloat16, and mlp.cpp rounds factors and keeps them as float32.
const MlpBf16Kernels* mlp_bf16_kernels(Isa isa);
std::unique_ptr<Op> make_mlp_bf16(const MakeArgs& args, const MlpBf16Kernels& kernels);

}  // namespace dlrm
