#include "ops/embedding_bag/embedding_bag.h"

#include <cmath>

#include "base/error.h"
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
    const TableOptions options = table_options(args, 0);
    const std::string row_weights = args.attrs.text(args.op, "row_weights", "");
    tables_ = args.bags(0).tables;
    width_ = options.width;
    pooling_ = options.pooling;
    mode_ = args.attrs.text(args.op, "mode", "sum");
    row_weights_ = !row_weights.empty();
    if (row_weights_ && pooling_ != Pooling::sum)
      fail(Code::argument, "[%s] row_weights: learned row weights go with mode sum only, received mode %s", args.op,
           mode_.c_str());
    declare(args.name, options.rows, row_weights);
  }

  size_t scratch_bytes(const Run&) const override { return TableTasks::bytes(tables_); }

  // The gradient of the per-sample weights that these bags have, or of the learned row weights.
  bool wants_dlookup(const Run& run) const override {
    if (row_weights_) return true;
    return pooling_ == Pooling::sum && run.in && run.in[0].bags && run.in[0].bags->weights;
  }

  void forward(const Run& run) const override {
    const Bags& bags = *run.in[0].bags;
    if (bags.weights && row_weights_)
      fail(Code::argument, "[embedding_bag] weights: the lookups have learned row weights already");
    if (bags.weights && pooling_ != Pooling::sum)
      fail(Code::argument, "[embedding_bag] weights: per-sample weights go with mode sum only, received mode %s",
           mode_.c_str());
    each_chunk(run, [&](int64_t t, Range range) {
      EmbeddingBagForward a{run.out[0].f32() + t * width_, run.out[0].stride, nullptr, 0, table(run, t)};
      if (pooling_ == Pooling::max) {
        a.positions = run.saved[0].i32() + t * width_;
        a.positions_stride = run.saved[0].stride;
      }
      kernels_.forward(a, range);
    });
  }

  void backward(const Run& run) const override {
    if (!run.dlookup || !run.dout[0]) return;
    if (pooling_ != Pooling::sum)
      fail(Code::argument, "[embedding_bag] dlookup: lookups have weights in mode sum only");
    const View& dout = run.dout[0];
    each_chunk(run, [&](int64_t t, Range range) {
      float* dlookup = run.dlookup;
      for (int64_t s = 0; s < t; ++s) dlookup += run.in[0].bags->lookups(s, run.batch);
      kernels_.backward({dlookup, dout.f32() + t * width_, dout.stride, table(run, t)}, range);
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto lookups = static_cast<double>(run.in[0].bags->total_lookups(run.batch)), e = static_cast<double>(width_);
    const double out = 4 * static_cast<double>(run.batch * tables_) * e;
    if (backward) return wants_dlookup(run) ? Cost{lookups * e * 2, lookups * (4 * e + 8) + out} : Cost{};
    return {lookups * e, lookups * (4 * e + 4) + out * (pooling_ == Pooling::max ? 2 : 1)};
  }

 private:
  // The tables, then their row weights; the tables are updated first, with the row weights of this step's forward pass.
  void declare(const std::string& name, const std::vector<int64_t>& rows, const std::string& row_weights) {
    SparseUpdate weights{{}, width_, mode_, false, {}}, scales{{}, 1, "sum", true, {}};
    for (int64_t t = 0; t < tables_; ++t) {
      const double bound = std::sqrt(1.0 / static_cast<double>(rows[t]));
      weights.params.push_back(static_cast<int>(params.size()));
      const Init init{Init::uniform, -bound, bound};
      params.push_back({name + "." + std::to_string(t) + ".weight", {rows[t], width_}, init, true});
    }
    for (int64_t t = 0; row_weights_ && t < tables_; ++t) {
      scales.params.push_back(static_cast<int>(params.size()));
      params.push_back({row_weights + "." + std::to_string(t), {rows[t]}, {Init::ones}, true});
    }
    weights.scale_params = scales.params;
    sparse_updates.push_back(std::move(weights));
    if (row_weights_) sparse_updates.push_back(std::move(scales));
    outputs = {{kPerExample, tables_ * width_}};
    if (pooling_ == Pooling::max) saved = {{kPerExample, tables_ * width_, 0, DType::i32}};
    backward_reads_outputs = false;
  }

  EmbeddingBagTable table(const Run& run, int64_t t) const {
    const Bags& bags = *run.in[0].bags;
    const View& weight = run.params[t];
    return {weight.f32(),
            weight.stride,
            width_,
            bags.offsets[t],
            bags.indices[t],
            bags.weights ? bags.weights[t] : nullptr,
            row_weights_ ? run.params[tables_ + t].f32() : nullptr,
            bags.lookups(t, run.batch),
            pooling_};
  }

  // kernel(table, range of bags). Bags and lookups both count, so that long bags are spread as well as many bags.
  template <class F>
  void each_chunk(const Run& run, F&& kernel) const {
    const Bags& bags = *run.in[0].bags;
    TableTasks tasks{static_cast<int64_t*>(run.scratch), tables_};
    tasks.fill([&](int64_t t) {
      const int64_t floats = (bags.lookups(t, run.batch) + run.batch) * (width_ + kLineFloats);
      return std::min(run.batch, (floats + kChunkFloats - 1) / kChunkFloats);
    });
    const double ns = static_cast<double>(bags.total_lookups(run.batch)) * (4 + 0.2 * static_cast<double>(width_)) +
                      static_cast<double>(run.batch * tables_) * 4;
    for_chunks(run.pool, tasks.total(), ns, [&](int64_t i) {
      const int64_t t = tasks.table_of(i);
      const int32_t* offsets = bags.offsets[t];
      const Range cut = chunk_range(bags.lookups(t, run.batch) + run.batch, tasks.chunks_of(t), i - tasks.first[t]);
      const Range range = {first_bag(offsets, run.batch, cut.begin), first_bag(offsets, run.batch, cut.end)};
      if (range.begin < range.end) kernel(t, range);
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
  int64_t width_, tables_;
  Pooling pooling_;
  std::string mode_;
  bool row_weights_;
};

}  // namespace

std::unique_ptr<Op> make_embedding_bag(const MakeArgs& args) { return std::make_unique<EmbeddingBag>(args); }

}  // namespace dlrm
