#include "ops/embedding_bag/embedding_bag.h"

#include <cmath>

#include "base/error.h"
#include "base/table_rows.h"
#include "ops/embedding_bag/table_options.h"
#include "ops/embedding_bag/table_tasks.h"
#include "ops/registry.h"

namespace dlrm {

namespace {

const VariantTable<EmbeddingBagKernels> kVariants = {{
    &embedding_bag_scalar,
    DLRM_X86(&embedding_bag_avx2),
    DLRM_X86(&embedding_bag_avx512),
}};

// A chunk's floats read and written; a lookup and a bag count as one cache line more.
constexpr int64_t kChunkFloats = 1 << 16;
constexpr int64_t kLineFloats = 16;

class EmbeddingBag : public Op {
 public:
  explicit EmbeddingBag(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    options_ = table_options(args, 0);
    const DType dtype = table_dtype(args.op, args.attrs.text(args.op, "dtype", "f32"));
    const std::string row_weights = args.attrs.text(args.op, "row_weights", "");
    row_weights_ = !row_weights.empty();
    if (row_weights_ && (options_.any(Pooling::mean) || options_.any(Pooling::max)))
      fail(Code::argument, "[%s] row_weights: learned row weights go with mode sum only, received mode %s", args.op,
           options_.any(Pooling::max) ? "max" : "mean");
    declare(args, dtype, row_weights);
  }

  size_t scratch_bytes(const Run&) const override { return TableTasks::bytes(columns()); }

  // The gradient of the per-sample weights that these bags have, or of the learned row weights. Quantised tables are for
  // predictions.
  bool wants_dlookup(const Run& run) const override {
    return !is_quantised(params[0].dtype) && (row_weights_ || (run.in && run.in[0].bags && run.in[0].bags->weights && options_.any(Pooling::sum)));
  }

  void forward(const Run& run) const override {
    check_weights(*run.in[0].bags);
    each_chunk(run, [&](const TableColumn& column, Range range) {
      EmbeddingBagForward a{run.out[0].f32() + column.at, run.out[0].stride, nullptr, 0, table(run, column)};
      if (column.pooling == Pooling::max) {
        a.positions = run.saved[0].i32() + column.positions_at;
        a.positions_stride = run.saved[0].stride;
      }
      kernels_.forward(a, range);
    });
  }

  void backward(const Run& run) const override {
    if (!run.dlookup || !run.dout[0]) return;
    const View& dout = run.dout[0];
    const Bags& bags = *run.in[0].bags;
    zero_without_weights(run);
    each_chunk(run, [&](const TableColumn& column, Range range) {
      if (column.pooling != Pooling::sum) return;
      float* dlookup = run.dlookup;
      for (int64_t bag = 0; bag < column.bag; ++bag) dlookup += bags.lookups(bag, run.batch);
      kernels_.backward({dlookup, dout.f32() + column.at, dout.stride, table(run, column)}, range);
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const Bags& bags = *run.in[0].bags;
    if (backward && !wants_dlookup(run)) return {};
    Cost cost{0, 4 * static_cast<double>(run.batch) * static_cast<double>(options_.cols + (backward ? 0 : options_.positions_cols))};
    for (const TableColumn& column : options_.columns) {
      const auto lookups = static_cast<double>(bags.lookups(column.bag, run.batch));
      cost.flops += lookups * static_cast<double>(column.width) * (backward ? 2 : 1);
      cost.bytes += lookups * static_cast<double>(row_bytes(run.params[column.table].dtype, column.width) + (backward ? 8 : 4));
    }
    return cost;
  }

 private:
  int64_t columns() const { return static_cast<int64_t>(options_.columns.size()); }

  // The tables, then their row weights; the tables are updated first, with the row weights of this step's forward pass.
  void declare(const MakeArgs& args, DType dtype, const std::string& row_weights) {
    SparseUpdate weights, scales;
    for (int64_t t = 0; t < options_.tables(); ++t) {
      const int64_t rows = options_.rows[static_cast<size_t>(t)], width = options_.widths[static_cast<size_t>(t)];
      const double bound = std::sqrt(1.0 / static_cast<double>(rows));
      const Init init = args.attrs.init(args.op, {Init::uniform, -bound, bound});
      weights.params.push_back(static_cast<int>(params.size()));
      params.push_back({args.name + "." + std::to_string(t) + ".weight", {rows, width}, init, true, false, dtype, true});
    }
    for (int64_t t = 0; row_weights_ && t < options_.tables(); ++t) {
      scales.params.push_back(static_cast<int>(params.size()));
      params.push_back({row_weights + "." + std::to_string(t), {options_.rows[static_cast<size_t>(t)]}, {Init::ones}, true});
    }
    weights.widths = options_.widths;
    for (const TableColumn& column : options_.columns) {
      weights.columns.push_back(column.bag);
      weights.tables.push_back(column.table);
      weights.modes.push_back(column.pooling == Pooling::sum ? "sum" : column.pooling == Pooling::mean ? "mean" : "max");
    }
    scales.columns = weights.columns;
    scales.tables = weights.tables;
    scales.modes = weights.modes;
    scales.widths.assign(weights.widths.size(), 1);
    scales.gradient = SparseUpdate::per_lookup;
    weights.scale_params = scales.params;
    sparse_updates.push_back(std::move(weights));
    if (row_weights_) sparse_updates.push_back(std::move(scales));
    outputs = {{kPerExample, options_.cols}};
    if (options_.positions_cols) saved = {{kPerExample, options_.positions_cols, 0, DType::i32}};
    bag_rows = options_.bag_rows(args.bags(0).tables);
    backward_reads_outputs = false;
  }

  void check_weights(const Bags& bags) const {
    if (!bags.weights) return;
    for (const TableColumn& column : options_.columns) {
      if (!bags.weights[column.bag]) continue;
      if (row_weights_) fail(Code::argument, "[embedding_bag] weights: the lookups have learned row weights already");
      if (column.pooling != Pooling::sum)
        fail(Code::argument, "[embedding_bag] weights: per-sample weights go with mode sum only, received mode %s",
             column.pooling == Pooling::max ? "max" : "mean");
    }
  }

  // Lookups that no column of mode sum reads.
  void zero_without_weights(const Run& run) const {
    const Bags& bags = *run.in[0].bags;
    std::vector<bool> read(static_cast<size_t>(bags.tables));
    for (const TableColumn& column : options_.columns) read[static_cast<size_t>(column.bag)] = column.pooling == Pooling::sum;
    float* dlookup = run.dlookup;
    for (int64_t bag = 0; bag < bags.tables; ++bag) {
      const int64_t lookups = bags.lookups(bag, run.batch);
      if (!read[static_cast<size_t>(bag)]) std::fill_n(dlookup, lookups, 0.0f);
      dlookup += lookups;
    }
  }

  EmbeddingBagTable table(const Run& run, const TableColumn& column) const {
    const Bags& bags = *run.in[0].bags;
    const View& weight = run.params[column.table];
    return {weight.data,
            weight.dtype,
            weight.stride,
            column.width,
            bags.offsets[column.bag],
            bags.indices[column.bag],
            bags.weights ? bags.weights[column.bag] : nullptr,
            row_weights_ ? run.params[options_.tables() + column.table].f32() : nullptr,
            bags.lookups(column.bag, run.batch),
            column.pooling};
  }

  // kernel(column, range of bags). Bags and lookups both count, so that long bags are spread as well as many bags.
  template <class F>
  void each_chunk(const Run& run, F&& kernel) const {
    const Bags& bags = *run.in[0].bags;
    TableTasks tasks{static_cast<int64_t*>(run.scratch), columns()};
    double ns = 0;
    tasks.fill([&](int64_t c) {
      const TableColumn& column = options_.columns[static_cast<size_t>(c)];
      const int64_t lookups = bags.lookups(column.bag, run.batch);
      const int64_t floats = (lookups + run.batch) * (column.width + kLineFloats);
      ns += static_cast<double>(lookups) * (4 + 0.2 * static_cast<double>(column.width)) + static_cast<double>(run.batch) * 4;
      return std::min(run.batch, (floats + kChunkFloats - 1) / kChunkFloats);
    });
    for_chunks(run.pool, tasks.total(), ns, [&](int64_t i) {
      const int64_t c = tasks.table_of(i);
      const TableColumn& column = options_.columns[static_cast<size_t>(c)];
      const int32_t* offsets = bags.offsets[column.bag];
      const Range cut = chunk_range(bags.lookups(column.bag, run.batch) + run.batch, tasks.chunks_of(c), i - tasks.first[c]);
      const Range range = {first_bag(offsets, run.batch, cut.begin), first_bag(offsets, run.batch, cut.end)};
      if (range.begin < range.end) kernel(column, range);
    });
  }

  // The first bag that begins at or behind `work` lookups and bags.
  static int64_t first_bag(const int32_t* offsets, int64_t batch, int64_t work) {
    int64_t low = 0, high = batch;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (offsets[middle] + middle < work)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  const EmbeddingBagKernels& kernels_;
  TableOptions options_;
  bool row_weights_;
};

}  // namespace

std::unique_ptr<Op> make_embedding_bag(const MakeArgs& args) { return std::make_unique<EmbeddingBag>(args); }

}  // namespace dlrm
