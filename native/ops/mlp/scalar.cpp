#include <algorithm>

#include "ops/mlp/mlp.h"

namespace dlrm {
namespace {

constexpr int64_t P = 4;

int64_t pad(int64_t cols) { return (cols + P - 1) / P * P; }

// Element (i, c) of a block of `rows` rows.
template <class T>
T& at(T* block, int64_t rows, int64_t i, int64_t c) {
  return block[c / P * rows * P + i * P + c % P];
}

void pack_transposed(const View& weight, float* packed, Range strips, Range rows) {
  for (int64_t n = strips.begin * P; n < strips.end * P; ++n)
    for (int64_t k = rows.begin; k < rows.end; ++k) at(packed, weight.cols, k, n) = n < weight.rows ? weight.row(n)[k] : 0;
}

void pack(const View& weight, float* packed, Range strips, Range rows) {
  for (int64_t k = strips.begin * P; k < strips.end * P; ++k)
    for (int64_t n = rows.begin; n < rows.end; ++n) at(packed, weight.rows, n, k) = k < weight.cols ? weight.row(n)[k] : 0;
}

void load_rows(const View& x, float* strips, Range rows) {
  for (int64_t i = rows.begin; i < rows.end; ++i)
    for (int64_t k = 0; k < x.cols; ++k) at(strips, rows.end - rows.begin, i - rows.begin, k) = x.row(i)[k];
}

// `out` is not read without an activation: the program may have given its memory to the input gradient.
void output_gradient(const View& dout, const View& out, Activation activation, float* strips, Range rows) {
  const bool none = activation == Activation::none;
  for (int64_t i = rows.begin; i < rows.end; ++i)
    for (int64_t n = 0; n < dout.cols; ++n)
      at(strips, rows.end - rows.begin, i - rows.begin, n) =
          dout.row(i)[n] * (none ? 1 : slope_at_output(activation, out.row(i)[n]));
}

void product(const MlpProduct& a, Range strips) {
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t c = strips.begin * P; c < std::min(a.cols, strips.end * P); ++c) {
      float z = a.bias ? a.bias[c] : 0;
      for (int64_t d = 0; d < a.depth; ++d) z += at(a.in, a.rows, i, d) * at(a.matrix, a.depth, d, c);
      a.out[i * a.out_row + c / P * a.out_strip + c % P] =
          a.gate ? z * slope_at_output(a.activation, at(a.gate, a.rows, i, c)) : activate(a.activation, z);
    }
  }
}

void weight_gradient(const MlpWeightGradient& a, Range outputs, Range inputs) {
  const auto element = [&a](const float* base, int64_t cols, int64_t b, int64_t c) {
    const int64_t first = b / a.block_rows * a.block_rows, rows = std::min(a.block_rows, a.batch - first);
    return at(base + first * pad(cols), rows, b - first, c);
  };
  for (int64_t n = outputs.begin * P; n < std::min(a.outputs, outputs.end * P); ++n) {
    for (int64_t k = inputs.begin * P; a.dweight && k < std::min(a.inputs, inputs.end * P); ++k) {
      float dw = 0;
      for (int64_t b = 0; b < a.batch; ++b) dw += element(a.dz, a.outputs, b, n) * element(a.x, a.inputs, b, k);
      a.dweight.row(n)[k] = dw;
    }
    if (!a.dbias || inputs.begin > 0) continue;
    float db = 0;
    for (int64_t b = 0; b < a.batch; ++b) db += element(a.dz, a.outputs, b, n);
    a.dbias.f32()[n] = db;
  }
}

void load_panel(const MlpRows& from, float* panel) {
  for (int64_t i = 0; i < from.rows; ++i)
    for (int64_t c = 0; c < from.cols; ++c) panel[c * P + i] = from.data[i * from.row + c / P * from.strip + c % P];
}

void store_panel(const float* panel, const MlpRows& to) {
  for (int64_t i = 0; i < to.rows; ++i)
    for (int64_t c = 0; c < to.cols; ++c) to.data[i * to.row + c / P * to.strip + c % P] = panel[c * P + i];
}

// Of one output, its place among the groups being `slot`.
float sparse_sum(const MlpSparse& a, int64_t slot, const float* in, int64_t in_step) {
  constexpr int64_t G = MlpSparse::kGroup;
  float z = a.bias[a.group_outputs[slot]];
  for (int64_t s = a.group_starts[slot / G]; s < a.group_starts[slot / G + 1]; ++s)
    z += in[a.group_inputs[s * G + slot % G] * in_step] * a.group_weights[s * G + slot % G];
  return activate(a.activation, z);
}

void sparse_panel(const MlpSparse& a, const float* in, float* out, int64_t rows) {
  for (int64_t slot = 0; slot < a.groups * MlpSparse::kGroup; ++slot)
    for (int64_t i = 0; i < rows; ++i) out[a.group_outputs[slot] * P + i] = sparse_sum(a, slot, in + i, P);
}

void sparse_example(const MlpSparse& a, const float* in, float* out) {
  for (int64_t slot = 0; slot < a.groups * MlpSparse::kGroup; ++slot)
    out[a.group_outputs[slot]] = sparse_sum(a, slot, in, 1);
}

}  // namespace

const MlpKernels mlp_scalar = {
    P, pack_transposed, pack, load_rows, output_gradient, product, weight_gradient,
    {load_panel, store_panel, sparse_panel, sparse_example},
};

}  // namespace dlrm
