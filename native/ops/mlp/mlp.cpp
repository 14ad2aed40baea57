#include "ops/mlp/mlp.h"

#include <algorithm>

#include "base/memory.h"
#include "ops/mlp/bf16.h"
#include "ops/mlp/layers.h"
#include "ops/row_blocks.h"
#include "ops/op.h"
#include "ops/precision.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<MlpKernels> kVariants = {{
    &mlp_scalar,
    DLRM_X86(&mlp_avx2),
    DLRM_X86(&mlp_avx512),
}};

constexpr double kFloatsPackedPerNs = 2;

constexpr int64_t kTall = 64, kWide = 128;  // a tile of weights: rows, columns
constexpr int64_t kLineFloats = 16;  // of a line of the caches

RowBlocks blocks_of(const Run& run) { return RowBlocks::of(run.batch, run.pool); }

struct Layer {
  int64_t inputs, outputs;
  Activation activation;
  int64_t packed_bias, packed, packed_back;  // where in Run::packed: the bias, padded; strips of W^T; strips of W
  int64_t dz;                                // where in Run::scratch, B times
};

// Where the compressed form takes over, as shares of the dense form's products: true weights, and, behind another
// compressed layer, padded ones (a last layer of one output is a strip of products that nobody wants).
constexpr double kSparseDensity = 0.3;
constexpr int64_t kExamplesAlone = 3;  // up to so many examples are taken one by one

// A tile of the weights of one layer (and their gradient), in strips; with its first inputs come the biases.
struct Task {
  size_t layer;
  Range outputs, inputs;
  double work;
};

class Mlp : public Op {
 public:
  explicit Mlp(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    if (precision_attr(args) == Precision::bf16) rounding_ = &rounding_kernels(args.isa);
    MlpLayers given(args);
    has_bias_ = given.bias;
    params = std::move(given.params);
    for (const MlpLayers::Layer& layer : given.layers) add_layer(layer);
    outputs = {{kPerExample, layers_.back().outputs}};
    backward_reads_inputs = false;
    backward_reads_outputs = layers_.back().activation != Activation::none;
    sparse_flags_ = packed_floats;
    packed_floats += static_cast<int64_t>(layers_.size());
    updates_parts = true;
    plan();
  }

  // Layers that are mostly zero are compressed into the memory of their strips, but for a training step: its backward
  // pass needs the values of the dense one. With bf16 none is.
  void prepare(const Run& run) const override {
    for (size_t l = 0; l < layers_.size(); ++l) is_sparse(run, l) = !run.training && !rounding_ && compress_layer(run, l);
    for_tasks(run.pool, 2 / kFloatsPackedPerNs, [&](const Task& task) { pack(run, task); });
  }

  void forward(const Run& run) const override {
    double work = 0;
    for (size_t l = 0; l < layers_.size(); ++l)
      work += (is_sparse(run, l) ? kSparseDensity : 1) * static_cast<double>(layers_[l].outputs * layers_[l].inputs);
    blocks_of(run).each(run.pool, 2 * work * static_cast<double>(run.batch) / kFloatPace.flops,
                              [&](Range rows, Pool* pool) { forward_block(run, rows, pool); });
  }

  void backward(const Run& run) const override {
    blocks_of(run).each(run.pool, flops(run, false) / kFloatPace.flops, [&](Range rows, Pool* pool) { backward_block(run, rows, pool); });
    const double ns_per_work = 2.0 * static_cast<double>(run.batch) / kFloatPace.flops;
    for_tasks(run.pool, ns_per_work, [&](const Task& task) {
      if (run.update)
        update(run, task);
      else
        weight_gradient(run, task, run.dparams[weight_of(task.layer)]);
    });
  }

  size_t scratch_bytes(const Run& run) const override {
    const int64_t back = run.dout ? run.batch * dz_columns_ : 0;
    const int64_t panels = run.training ? 0 : (serial(run) ? 1 : blocks_of(run).count()) * panel_floats();
    return static_cast<size_t>(std::max(back, panels)) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    double values = static_cast<double>(layers_[0].inputs), weights = 0;
    for (const Layer& layer : layers_) {
      values += static_cast<double>(layer.outputs);
      weights += static_cast<double>(layer.outputs * layer.inputs);
    }
    const double b = static_cast<double>(run.batch);
    return {flops(run, backward), 4 * (backward ? 2 : 1) * (b * values + weights)};
  }

 private:
  int64_t pad(int64_t cols) const { return strips(cols) * kernels_.strip; }
  size_t weight_of(size_t layer) const { return has_bias_ ? 2 * layer : layer; }  // in Op::params
  int64_t strips(int64_t cols) const { return (cols + kernels_.strip - 1) / kernels_.strip; }

  void add_layer(const MlpLayers::Layer& layer) {
    const int64_t inputs = layer.inputs, width = layer.outputs;
    const int64_t bias = packed_floats, weight = bias + pad(width), back = weight + pad(width) * inputs;
    layers_.push_back({inputs, width, layer.activation, bias, weight, back, dz_columns_});
    packed_floats = back + width * pad(inputs);
    dz_columns_ += pad(width);
    widest_ = std::max({widest_, sparse_rows(inputs), sparse_rows(width)});
    saved.push_back({kPerExample, pad(inputs)});
  }

  // The tasks depend on the widths alone; the largest come first, so that no thread is left with one at the end.
  void plan() {
    const int64_t tall = kTall / kernels_.strip, wide = kWide / kernels_.strip;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      const int64_t n = strips(layer.outputs), k = strips(layer.inputs);
      for (int64_t i = 0; i < n; i += tall)
        for (int64_t j = 0; j < k; j += wide)
          tiles_.push_back(task(l, {i, std::min(n, i + tall)}, {j, std::min(k, j + wide)}));
    }
    std::stable_sort(tiles_.begin(), tiles_.end(), [](const Task& a, const Task& b) { return a.work > b.work; });
  }

  Task task(size_t layer, Range outputs, Range inputs) const {
    const int64_t area = (outputs.end - outputs.begin) * (inputs.end - inputs.begin) * kernels_.strip * kernels_.strip;
    return {layer, outputs, inputs, static_cast<double>(area)};
  }

  template <class F>
  void for_tasks(Pool* pool, double ns_per_work, F&& run_task) const {
    double work = 0;
    for (const Task& task : tiles_) work += task.work;
    for_chunks(pool, static_cast<int64_t>(tiles_.size()), work * ns_per_work,
               [&](int64_t i) { run_task(tiles_[static_cast<size_t>(i)]); });
  }

  // The rows or columns of these strips, of which there are `count` in all.
  Range span(Range strips, int64_t count) const {
    return {strips.begin * kernels_.strip, std::min(count, strips.end * kernels_.strip)};
  }

  void pack(const Run& run, const Task& task) const {
    const Layer& layer = layers_[task.layer];
    if (!is_sparse(run, task.layer)) {
      const View& weight = run.params[weight_of(task.layer)];
      const Range rows = span(task.outputs, layer.outputs), cols = span(task.inputs, layer.inputs);
      kernels_.pack_transposed(weight, run.packed + layer.packed, task.outputs, cols);
      kernels_.pack(weight, run.packed + layer.packed_back, task.inputs, rows);
      round_strips(run.packed + layer.packed, task.outputs, layer.inputs, cols);
      round_strips(run.packed + layer.packed_back, task.inputs, layer.outputs, rows);
    }
    if (task.inputs.begin) return;
    const View bias = has_bias_ ? run.params[2 * task.layer + 1] : View{};
    const int64_t end = task.outputs.end * kernels_.strip;
    for (int64_t n = task.outputs.begin * kernels_.strip; n < end; ++n)
      run.packed[layer.packed_bias + n] = bias && n < layer.outputs ? bias.f32()[n] : 0;
  }

  // The weights that update() will change come while their gradient is computed.
  void prefetch(const Run& run, const Task& task) const {
    const Range rows = span(task.outputs, layers_[task.layer].outputs), cols = span(task.inputs, layers_[task.layer].inputs);
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      const float* row = run.params[weight_of(task.layer)].row(n);
      for (int64_t k = cols.begin; k < cols.end; k += kLineFloats) __builtin_prefetch(row + k);
    }
  }

  // The gradient never leaves the nearest caches; the weights come there while it is computed.
  void update(const Run& run, const Task& task) const {
    const Layer& layer = layers_[task.layer];
    const Range rows = span(task.outputs, layer.outputs), cols = span(task.inputs, layer.inputs);
    prefetch(run, task);
    alignas(64) float gradient[kTall * kWide];
    View tile{gradient, DType::f32, rows.end - rows.begin, cols.end - cols.begin, kWide};
    weight_gradient(run, task, {gradient - rows.begin * kWide - cols.begin, DType::f32, layer.outputs, layer.inputs, kWide});
    run.update->apply(weight_of(task.layer), rows, cols, tile);
    if (has_bias_ && !task.inputs.begin) {
      float* bias = run.dparams[2 * task.layer + 1].f32() + rows.begin;
      run.update->apply(2 * task.layer + 1, {0, 1}, rows, {bias, DType::f32, 1, rows.end - rows.begin, kWide});
    }
    pack(run, task);
  }

  float* dz(const Run& run, size_t l) const { return static_cast<float*>(run.scratch) + run.batch * layers_[l].dz; }

  // Of the forward pass (and as many for the input gradients), or of the whole backward pass.
  double flops(const Run& run, bool backward) const {
    double sum = 0;
    for (const Layer& layer : layers_) sum += 2.0 * static_cast<double>(layer.outputs * layer.inputs);
    const double first = 2.0 * static_cast<double>(layers_[0].outputs * layers_[0].inputs);
    const bool wants_din = run.din && run.din[0];
    return static_cast<double>(run.batch) * (backward ? 2 * sum - (wants_din ? 0 : first) : sum);
  }

  void product(const MlpProduct& a, Pool* pool) const { run_product(kernels_.product, a, strips(a.cols), kFloatPace, pool); }

  void forward_block(const Run& run, Range rows, Pool* pool) const {
    if (!is_sparse(run, 0)) {
      kernels_.load_rows(run.in[0].view, input(run, 0, rows), rows);
      round(input(run, 0, rows), rows, pad(layers_[0].inputs));
    }
    for (size_t l = 0, end; l < layers_.size(); l = end) {
      end = l + 1;
      if (!is_sparse(run, l)) {
        dense_layer(run, l, rows, pool);
        continue;
      }
      while (end < layers_.size() && is_sparse(run, end)) ++end;
      sparse_layers(run, l, end, rows, serial(run) ? 0 : rows.begin / blocks_of(run).rows);
    }
  }

  float* input(const Run& run, size_t l, Range rows) const {
    return run.saved[l].f32() + rows.begin * pad(layers_[l].inputs);
  }

  void dense_layer(const Run& run, size_t l, Range rows, Pool* pool) const {
    const Layer& layer = layers_[l];
    MlpProduct a{};
    a.in = input(run, l, rows);
    a.matrix = run.packed + layer.packed;
    a.bias = run.packed + layer.packed_bias;
    a.rows = rows.end - rows.begin;
    a.depth = layer.inputs;
    a.cols = layer.outputs;
    a.activation = layer.activation;
    const bool last = l + 1 == layers_.size();
    set_output(a, last ? run.out[0] : View{}, last ? nullptr : input(run, l + 1, rows), rows);
    product(a, pool);
    if (!last) round(input(run, l + 1, rows), rows, pad(layer.outputs));
  }

  int32_t& is_sparse(const Run& run, size_t l) const {
    return reinterpret_cast<int32_t*>(run.packed + sparse_flags_)[l];
  }

  bool compress_layer(const Run& run, size_t l) const {
    const Layer& layer = layers_[l];
    const int64_t outputs = l && is_sparse(run, l - 1) ? pad(layer.outputs) : layer.outputs;
    const auto limit = static_cast<int64_t>(kSparseDensity * static_cast<double>(outputs * layer.inputs));
    const View& weight = run.params[weight_of(l)];
    return few_nonzero(weight, limit) && compress(weight, run.packed + layer.packed, pad(layer.outputs) * layer.inputs);
  }

  // Two panels for each thread at work, so for each block, and one if there are no threads.
  static bool serial(const Run& run) { return !run.pool || run.pool->threads() == 1; }
  int64_t panel_floats() const { return 2 * widest_ * kernels_.strip; }

  // Layers [begin, end) of these rows, a panel at a time: values between the layers stay in the nearest cache.
  void sparse_layers(const Run& run, size_t begin, size_t end, Range rows, int64_t slot) const {
    float* in = static_cast<float*>(run.scratch) + slot * panel_floats();
    float* out = in + widest_ * kernels_.strip;
    const int64_t step = rows.end - rows.begin > kExamplesAlone ? kernels_.strip : 1;
    const MlpRows from = sparse_rows_of(run, begin, run.in[0].view, rows), to = sparse_rows_of(run, end, run.out[0], rows);
    for (int64_t r = 0; r < from.rows; r += step) {
      const int64_t count = std::min(step, from.rows - r);
      const MlpRows x{from.data + r * from.row, from.row, from.strip, count, from.cols};
      const MlpRows y{to.data + r * to.row, to.row, to.strip, count, to.cols};
      sparse_panel(run, begin, end, x, y, in, out);
    }
  }

  // What layer l reads, or, behind the last one, writes.
  MlpRows sparse_rows_of(const Run& run, size_t l, const View& matrix, Range rows) const {
    const int64_t count = rows.end - rows.begin;
    if (l == 0 || l == layers_.size()) return {matrix.row(rows.begin), matrix.stride, kernels_.strip, count, matrix.cols};
    return {input(run, l, rows), kernels_.strip, count * kernels_.strip, count, layers_[l].inputs};
  }

  void sparse_panel(const Run& run, size_t begin, size_t end, const MlpRows& x, const MlpRows& y, float* in, float* out) const {
    const MlpSparseKernels& kernels = kernels_.sparse;
    const bool alone = x.rows == 1;
    if (!alone)
      kernels.load_panel(x, in);
    else
      for (int64_t c = 0; c < x.cols; c += kernels_.strip)
        std::copy_n(x.data + c / kernels_.strip * x.strip, std::min(kernels_.strip, x.cols - c), in + c);
    for (size_t l = begin; l < end; ++l, std::swap(in, out)) {
      MlpSparse a = compressed(layers_[l].inputs, layers_[l].outputs, run.packed + layers_[l].packed);
      a.bias = run.packed + layers_[l].packed_bias;
      a.activation = layers_[l].activation;
      if (alone)
        kernels.example(a, in, out);
      else
        kernels.panel(a, in, out, x.rows);
    }
    if (!alone)
      kernels.store_panel(in, y);
    else
      for (int64_t c = 0; c < y.cols; c += kernels_.strip)
        std::copy_n(in + c, std::min(kernels_.strip, y.cols - c), y.data + c / kernels_.strip * y.strip);
  }

  void backward_block(const Run& run, Range rows, Pool* pool) const {
    const auto dz_of = [&](size_t l) { return dz(run, l) + rows.begin * pad(layers_[l].outputs); };
    const size_t top = layers_.size() - 1;
    kernels_.output_gradient(run.dout[0], run.out[0], layers_[top].activation, dz_of(top), rows);
    round(dz_of(top), rows, pad(layers_[top].outputs));
    for (size_t l = top + 1; l-- > (run.din[0] ? 0 : 1);) {
      const Layer& layer = layers_[l];
      MlpProduct a{};
      a.in = dz_of(l);
      a.matrix = run.packed + layer.packed_back;
      a.rows = rows.end - rows.begin;
      a.depth = layer.outputs;
      a.cols = layer.inputs;
      a.activation = l ? layers_[l - 1].activation : Activation::none;
      a.gate = l ? run.saved[l].f32() + rows.begin * pad(layer.inputs) : nullptr;
      set_output(a, l ? View{} : run.din[0], l ? dz_of(l - 1) : nullptr, rows);
      product(a, pool);
      if (l) round(dz_of(l - 1), rows, pad(layer.inputs));
    }
  }

  // With precision bf16: rows of a block, all of its columns; or rows of strips that have `all` rows.
  void round(float* block, Range rows, int64_t columns) const {
    if (rounding_) rounding_->round(block, block, (rows.end - rows.begin) * columns);
  }
  void round_strips(float* packed, Range strips, int64_t all, Range rows) const {
    for (int64_t s = strips.begin; rounding_ && s < strips.end; ++s) {
      float* const part = packed + (s * all + rows.begin) * kernels_.strip;
      rounding_->round(part, part, (rows.end - rows.begin) * kernels_.strip);
    }
  }

  // To rows of a matrix, or to strips.
  void set_output(MlpProduct& a, const View& matrix, float* to, Range rows) const {
    a.out = to ? to : matrix.row(rows.begin);
    a.out_row = to ? kernels_.strip : matrix.stride;
    a.out_strip = to ? a.rows * kernels_.strip : kernels_.strip;
    a.writable = to ? pad(a.cols) : a.cols;
  }

  void weight_gradient(const Run& run, const Task& task, const View& dweight) const {
    const Layer& layer = layers_[task.layer];
    MlpWeightGradient a{};
    a.dweight = dweight;
    a.dbias = has_bias_ ? run.dparams[2 * task.layer + 1] : View{};
    a.dz = dz(run, task.layer);
    a.x = run.saved[task.layer].f32();
    a.batch = run.batch;
    a.block_rows = blocks_of(run).rows;
    a.outputs = layer.outputs;
    a.inputs = layer.inputs;
    kernels_.weight_gradient(a, task.outputs, task.inputs);
  }

  const MlpKernels& kernels_;
  const RoundingKernels* rounding_ = nullptr;  // of precision bf16
  bool has_bias_;
  std::vector<Layer> layers_;
  int64_t dz_columns_ = 0;
  int64_t sparse_flags_ = 0;  // where in Run::packed: one int32 for each layer
  int64_t widest_ = 0;        // room of a panel, in columns
  std::vector<Task> tiles_;
};

}  // namespace

std::unique_ptr<Op> make_mlp(const MakeArgs& args) {
  if (args.device == Device::cuda) return make_mlp_on_cuda(args);
  const MlpBf16Kernels* const kernels = precision_attr(args) == Precision::bf16 ? mlp_bf16_kernels(args.isa) : nullptr;
  if (kernels) return make_mlp_bf16(args, *kernels);
  return std::make_unique<Mlp>(args);
}

}  // namespace dlrm
