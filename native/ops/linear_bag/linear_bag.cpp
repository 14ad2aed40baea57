#include "ops/linear_bag/linear_bag.h"

#include <algorithm>

#include "base/error.h"
#include "ops/embedding_bag/table_options.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<LinearBagKernels> kVariants = {{
    &linear_bag_scalar,
    DLRM_X86(&linear_bag_avx2),
    DLRM_X86(&linear_bag_avx512),
}};

constexpr double kLookupNs = 1.5;

class LinearBag : public Op {
 public:
  explicit LinearBag(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    options_ = table_options(args, 1);
    for (const int64_t width : options_.widths)
      if (width != 1) fail(Code::argument, "[%s] width: expected 1, received %lld", args.op, static_cast<long long>(width));
    if (options_.any(Pooling::max)) fail(Code::argument, "[%s] mode: expected sum or mean, received \"max\"", args.op);
    bias_ = args.attrs.flag(args.op, "bias", true);
    declare(args);
  }

  bool wants_dlookup(const Run& run) const override {
    return run.in && run.in[0].bags && run.in[0].bags->weights && options_.any(Pooling::sum);
  }

  size_t scratch_bytes(const Run&) const override { return options_.columns.size() * sizeof(LinearBagColumn); }

  void forward(const Run& run) const override {
    const View& out = run.out[0];
    const float* bias = bias_ ? run.params[options_.tables()].f32() : nullptr;
    each_chunk(run, {out.f32(), out.stride, bias, columns(run), count()}, kernels_.forward);
  }

  void backward(const Run& run) const override {
    const View& dout = run.dout[0];
    if (bias_ && run.dparams[options_.tables()]) *run.dparams[options_.tables()].f32() = dout ? sum(dout) : 0;
    if (!run.dlookup || !dout) return;
    std::fill_n(run.dlookup, run.in[0].bags->total_lookups(), 0.0f);
    each_chunk(run, {dout.f32(), dout.stride, nullptr, columns(run), count()}, kernels_.backward);
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto lookups = static_cast<double>(options_.lookups(*run.in[0].bags));
    const auto batch = static_cast<double>(run.batch);
    if (backward) return wants_dlookup(run) ? Cost{lookups + batch, lookups * 12 + batch * 4} : Cost{batch, batch * 4};
    return {lookups, lookups * 8 + batch * 4};
  }

 private:
  int64_t count() const { return static_cast<int64_t>(options_.columns.size()); }

  void declare(const MakeArgs& args) {
    SparseUpdate update;
    const Init init = args.attrs.init(args.op, {Init::zeros});
    for (int64_t t = 0; t < options_.tables(); ++t) {
      update.params.push_back(static_cast<int>(t));
      params.push_back({args.name + "." + std::to_string(t) + ".weight", {options_.rows[static_cast<size_t>(t)], 1}, init, true});
    }
    for (const TableColumn& column : options_.columns) {
      update.columns.push_back(column.bag);
      update.tables.push_back(column.table);
      update.modes.push_back(column.pooling == Pooling::sum ? "sum" : "mean");
    }
    update.widths = options_.widths;
    update.gradient = SparseUpdate::shared;
    sparse_updates.push_back(std::move(update));
    if (bias_) params.push_back({args.name + ".bias", {1}, {Init::zeros}});
    outputs = {{kPerExample, 1}};
    bag_rows = options_.bag_rows(args.bags(0).tables);
    backward_reads_outputs = false;
  }

  const LinearBagColumn* columns(const Run& run) const {
    const Bags& bags = *run.in[0].bags;
    auto* columns = static_cast<LinearBagColumn*>(run.scratch);
    for (size_t k = 0; k < options_.columns.size(); ++k) {
      const TableColumn& column = options_.columns[k];
      const View& weight = run.params[column.table];
      const float* weights = bags.weights ? bags.weights[column.bag] : nullptr;
      if (weights && column.pooling != Pooling::sum)
        fail(Code::argument, "[linear_bag] weights: per-sample weights go with mode sum only, received mode mean");
      float* dlookup = run.dlookup;
      for (int64_t bag = 0; dlookup && bag < column.bag; ++bag) dlookup += bags.lookups(bag);
      columns[k] = {weight.f32(), weight.stride, bags.offsets[column.bag], bags.indices[column.bag], weights, dlookup,
                    bags.lookups(column.bag), column.pooling == Pooling::mean};
    }
    return columns;
  }

  void each_chunk(const Run& run, const LinearBagArgs& a, void (*kernel)(const LinearBagArgs&, Range)) const {
    const double ns = kLookupNs * static_cast<double>(options_.lookups(*run.in[0].bags) + run.batch);
    const int64_t chunks = (run.batch + kLinearBagBlock - 1) / kLinearBagBlock;
    for_chunks(run.pool, chunks, ns, [&](int64_t i) { kernel(a, chunk_range(run.batch, chunks, i)); });
  }

  // Four sums: the additions of one would wait for each other.
  static float sum(const View& x) {
    double sums[4] = {};
    for (int64_t r = 0; r < x.rows; ++r) sums[r % 4] += static_cast<double>(*x.row(r));
    return static_cast<float>((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }

  const LinearBagKernels& kernels_;
  TableOptions options_;
  bool bias_;
};

}  // namespace

std::unique_ptr<Op> make_linear_bag(const MakeArgs& args) { return std::make_unique<LinearBag>(args); }

}  // namespace dlrm
