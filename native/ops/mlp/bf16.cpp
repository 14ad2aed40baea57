#include "ops/mlp/bf16.h"

#include <algorithm>

#include "base/memory.h"
#include "ops/mlp/layers.h"
#include "ops/row_blocks.h"
#include "ops/precision.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

constexpr MlpPace kPace{200, 20};
constexpr double kNumbersPackedPerNs = 2;

// Rows of one block, in whole cells: enough blocks to share among the threads, enough rows to use what is read of the weights.
RowBlocks blocks_of(int64_t batch) { return {batch, std::clamp<int64_t>(pad_bf16(batch / 16), kBf16Cell, 2 * kBf16Cell)}; }

// Places in units of bfloat16. Of scratch those of the batch are per example.
struct Layer {
  MlpLayers::Layer is;
  int64_t packed_bias, packed;     // in Run::packed: 16 * strips floats; pairs form of W^T
  int64_t dz, transposed, pairs;   // in Run::scratch: dz in rows form; dz^T and x as pieces of the weight gradient
  int64_t packed_back;             // behind all of these: pairs form of W
};

// A piece of work of one layer: tiles of its dW (cells of outputs, strips of inputs), or strips of its packed weights.
struct Task {
  size_t layer;
  Range outputs, inputs;
  double work;
};

class MlpBf16 : public Op {
 public:
  MlpBf16(const MakeArgs& args, const MlpBf16Kernels& kernels) : kernels_(kernels) {
    precision_attr(args);
    MlpLayers given(args);
    has_bias_ = given.bias;
    params = std::move(given.params);
    for (const MlpLayers::Layer& layer : given.layers) add_layer(layer);
    outputs = {{kPerExample, layers_.back().is.outputs}};
    backward_reads_inputs = false;
    backward_reads_outputs = layers_.back().is.activation != Activation::none;
    packed_floats = packed_numbers_ / 2;
    plan();
  }

  void prepare(const Run& run) const override {
    for_tasks(run.pool, forward_packing_, [&](const Task& task) {
      const Layer& layer = layers_[task.layer];
      kernels_.pack_transposed(run.params[weight_of(task.layer)], packed(run) + layer.packed, task.outputs);
      const View bias = has_bias_ ? run.params[2 * task.layer + 1] : View{};
      for (int64_t n = task.outputs.begin * kBf16Strip; n < task.outputs.end * kBf16Strip; ++n)
        packed_bias(run, task.layer)[n] = bias && n < layer.is.outputs ? bias.f32()[n] : 0;
    });
  }

  void forward(const Run& run) const override {
    blocks_of(run.batch).each(run.pool, flops(run, false) / kPace.flops, [&](Range rows, Pool* pool) { forward_block(run, rows, pool); });
  }

  void backward(const Run& run) const override {
    for_tasks(run.pool, backward_packing_, [&](const Task& task) {
      if (!task.layer && !run.din[0]) return;
      kernels_.pack(run.params[weight_of(task.layer)], packed_back(run, task.layer), task.inputs);
    });
    blocks_of(run.batch).each(run.pool, flops(run, false) / kPace.flops, [&](Range rows, Pool* pool) { backward_block(run, rows, pool); });
    const double ns_per_work = 2.0 * static_cast<double>(run.batch) / kPace.flops;
    for_tasks(run.pool, tiles_, [&](const Task& task) { weight_gradient(run, task); }, ns_per_work);
  }

  size_t scratch_bytes(const Run& run) const override {
    return run.dout ? static_cast<size_t>(pad_bf16(run.batch) * scratch_columns_ + back_numbers_) * sizeof(uint16_t) : 0;
  }

  Cost cost(const Run& run, bool backward) const override {
    double values = static_cast<double>(layers_[0].is.inputs), weights = 0;
    for (const Layer& layer : layers_) {
      values += static_cast<double>(layer.is.outputs);
      weights += static_cast<double>(layer.is.outputs * layer.is.inputs);
    }
    const double b = static_cast<double>(run.batch);
    return {flops(run, backward), 4 * (backward ? 2 : 1) * (b * values + weights)};
  }

 private:
  size_t weight_of(size_t layer) const { return has_bias_ ? 2 * layer : layer; }  // in Op::params

  void add_layer(const MlpLayers::Layer& is) {
    const int64_t strips_out = strips_bf16(is.outputs) * kBf16Strip, strips_in = strips_bf16(is.inputs) * kBf16Strip;
    const int64_t inputs = pad_bf16(is.inputs), outputs = pad_bf16(is.outputs);
    Layer layer{is, packed_numbers_, packed_numbers_ + 2 * strips_out, scratch_columns_, scratch_columns_ + outputs,
                scratch_columns_ + 2 * outputs, back_numbers_};
    packed_numbers_ += 2 * strips_out + strips_out * inputs;
    scratch_columns_ += 2 * outputs + inputs;
    back_numbers_ += strips_in * outputs;
    saved.push_back({kPerExample, inputs / 2});
    layers_.push_back(layer);
  }

  // The tasks depend on the widths alone; the largest come first, so that no thread is left with one at the end.
  void plan() {
    constexpr int64_t kTall = 2, kWide = 8, kPackStrips = 4;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const MlpLayers::Layer& is = layers_[l].is;
      const int64_t n = strips_bf16(is.outputs), k = strips_bf16(is.inputs), cells = pad_bf16(is.outputs) / kBf16Cell;
      for (int64_t i = 0; i < n; i += kPackStrips)
        forward_packing_.push_back({l, {i, std::min(n, i + kPackStrips)}, {0, k}, 0});
      for (int64_t j = 0; j < k; j += kPackStrips)
        backward_packing_.push_back({l, {0, n}, {j, std::min(k, j + kPackStrips)}, 0});
      for (int64_t i = 0; i < cells; i += kTall)
        for (int64_t j = 0; j < k; j += kWide)
          tiles_.push_back({l, {i, std::min(cells, i + kTall)}, {j, std::min(k, j + kWide)}, 0});
    }
    for (auto* tasks : {&forward_packing_, &backward_packing_, &tiles_}) {
      const int64_t area = kBf16Strip * (tasks == &tiles_ ? kBf16Cell : kBf16Strip);
      for (Task& t : *tasks)
        t.work = static_cast<double>((t.outputs.end - t.outputs.begin) * (t.inputs.end - t.inputs.begin) * area);
      std::stable_sort(tasks->begin(), tasks->end(), [](const Task& a, const Task& b) { return a.work > b.work; });
    }
  }

  template <class F>
  void for_tasks(Pool* pool, const std::vector<Task>& tasks, F&& run_task,
                 double ns_per_work = 1 / kNumbersPackedPerNs) const {
    double work = 0;
    for (const Task& task : tasks) work += task.work;
    for_chunks(pool, static_cast<int64_t>(tasks.size()), work * ns_per_work,
               [&](int64_t i) { run_task(tasks[static_cast<size_t>(i)]); });
  }

  uint16_t* packed(const Run& run) const { return reinterpret_cast<uint16_t*>(run.packed); }
  float* packed_bias(const Run& run, size_t l) const { return run.packed + layers_[l].packed_bias / 2; }
  // What scratch has at `place` of each example, from the example in row `row` on.
  uint16_t* scratch(const Run& run, int64_t place, int64_t row, int64_t columns) const {
    return static_cast<uint16_t*>(run.scratch) + pad_bf16(run.batch) * place + row * columns;
  }
  uint16_t* dz(const Run& run, size_t l, int64_t row) const {
    return scratch(run, layers_[l].dz, row, pad_bf16(layers_[l].is.outputs));
  }
  uint16_t* transposed(const Run& run, size_t l, int64_t row) const {
    return scratch(run, layers_[l].transposed, row, pad_bf16(layers_[l].is.outputs));
  }
  uint16_t* pairs(const Run& run, size_t l, int64_t row) const {
    return scratch(run, layers_[l].pairs, row, pad_bf16(layers_[l].is.inputs));
  }
  uint16_t* packed_back(const Run& run, size_t l) const {
    return scratch(run, scratch_columns_, 0, 0) + layers_[l].packed_back;
  }
  uint16_t* input(const Run& run, size_t l, int64_t row) const {
    return static_cast<uint16_t*>(run.saved[l].data) + row * pad_bf16(layers_[l].is.inputs);
  }

  // Of the forward pass (and as many for the input gradients), or of the whole backward pass.
  double flops(const Run& run, bool backward) const {
    double sum = 0;
    for (const Layer& layer : layers_) sum += 2.0 * static_cast<double>(layer.is.outputs * layer.is.inputs);
    const double first = 2.0 * static_cast<double>(layers_[0].is.outputs * layers_[0].is.inputs);
    const bool wants_din = run.din && run.din[0];
    return static_cast<double>(run.batch) * (backward ? 2 * sum - (wants_din ? 0 : first) : sum);
  }

  // body(rows) for each cell of the rows: 32 of them, at the end maybe less.
  template <class F>
  static void for_cells(Range rows, F&& body) {
    for (int64_t i = rows.begin; i < rows.end; i += kBf16Cell) body(Range{i, std::min(rows.end, i + kBf16Cell)});
  }

  void product(const MlpBf16Product& a, Pool* pool) const { run_product(kernels_.product, a, strips_bf16(a.cols), kPace, pool); }

  void forward_block(const Run& run, Range rows, Pool* pool) const {
    for_cells(rows, [&](Range cell) { kernels_.load_rows(run.in[0].view, input(run, 0, cell.begin), cell); });
    for (size_t l = 0; l < layers_.size(); ++l) {
      const MlpLayers::Layer& is = layers_[l].is;
      MlpBf16Product a{};
      a.in = input(run, l, rows.begin);
      a.matrix = packed(run) + layers_[l].packed;
      a.bias = packed_bias(run, l);
      a.rows = rows.end - rows.begin;
      a.depth = is.inputs;
      a.cols = is.outputs;
      a.activation = is.activation;
      if (l + 1 < layers_.size())
        a.cells = input(run, l + 1, rows.begin);
      else
        set_output(a, run.out[0], rows);
      product(a, pool);
    }
  }

  void backward_block(const Run& run, Range rows, Pool* pool) const {
    const size_t top = layers_.size() - 1;
    for_cells(rows, [&](Range cell) {
      kernels_.output_gradient(run.dout[0], run.out[0], layers_[top].is.activation, dz(run, top, cell.begin), cell);
    });
    for (size_t l = top + 1; l-- > 0;) {
      const MlpLayers::Layer& is = layers_[l].is;
      for_cells(rows, [&](Range cell) {
        const int64_t count = cell.end - cell.begin;
        kernels_.transpose(dz(run, l, cell.begin), count, is.outputs, transposed(run, l, cell.begin));
        kernels_.pair(input(run, l, cell.begin), count, is.inputs, pairs(run, l, cell.begin));
      });
      if (l || run.din[0]) input_gradient(run, l, rows, pool);
    }
  }

  void input_gradient(const Run& run, size_t l, Range rows, Pool* pool) const {
    const MlpLayers::Layer& is = layers_[l].is;
    MlpBf16Product a{};
    a.in = dz(run, l, rows.begin);
    a.matrix = packed_back(run, l);
    a.rows = rows.end - rows.begin;
    a.depth = is.outputs;
    a.cols = is.inputs;
    a.activation = l ? layers_[l - 1].is.activation : Activation::none;
    if (l) {
      a.gate = input(run, l, rows.begin);
      a.cells = dz(run, l - 1, rows.begin);
    } else {
      set_output(a, run.din[0], rows);
    }
    product(a, pool);
  }

  static void set_output(MlpBf16Product& a, const View& matrix, Range rows) {
    a.out = matrix.row(rows.begin);
    a.out_stride = matrix.stride;
  }

  void weight_gradient(const Run& run, const Task& task) const {
    MlpBf16WeightGradient a{};
    a.dweight = run.dparams[weight_of(task.layer)];
    a.dbias = has_bias_ ? run.dparams[2 * task.layer + 1] : View{};
    a.transposed = transposed(run, task.layer, 0);
    a.pairs = pairs(run, task.layer, 0);
    a.dz = dz(run, task.layer, 0);
    a.batch = run.batch;
    a.outputs = layers_[task.layer].is.outputs;
    a.inputs = layers_[task.layer].is.inputs;
    kernels_.weight_gradient(a, task.outputs, task.inputs);
  }

  const MlpBf16Kernels& kernels_;
  bool has_bias_;
  std::vector<Layer> layers_;
  int64_t packed_numbers_ = 0, scratch_columns_ = 0, back_numbers_ = 0;
  std::vector<Task> forward_packing_, backward_packing_, tiles_;
};

}  // namespace

const MlpBf16Kernels* mlp_bf16_kernels(Isa isa) {
  if (isa == Isa::amx) return DLRM_X86(&mlp_bf16_amx);
  if (isa == Isa::avx512_bf16) return DLRM_X86(&mlp_bf16_avx512);
  return nullptr;
}

std::unique_ptr<Op> make_mlp_bf16(const MakeArgs& args, const MlpBf16Kernels& kernels) {
  return std::make_unique<MlpBf16>(args, kernels);
}

}  // namespace dlrm
