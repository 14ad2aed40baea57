#include "ops/qr_embedding_bag/qr_embedding_bag.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "ops/embedding_bag/table_options.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<QrEmbeddingBagKernels> kVariants = {{
    &qr_embedding_bag_scalar,
    DLRM_X86(&qr_embedding_bag_avx2),
    DLRM_X86(&qr_embedding_bag_avx512),
}};

constexpr int64_t kBagsPerChunk = 512;

QrOperation operation_of(const MakeArgs& args) {
  const std::string name = args.attrs.text(args.op, "operation", "mult");
  if (name == "mult") return QrOperation::mult;
  if (name == "add") return QrOperation::add;
  if (name == "concat") return QrOperation::concat;
  fail(Code::argument, "[%s] operation: expected mult, add or concat, received \"%s\"", args.op, name.c_str());
}

// The bound a of a composed row's parts, for a table of n rows: see the header.
double bound(QrOperation operation, double n) {
  if (operation == QrOperation::mult) return std::pow(3 / n, 0.25);
  return std::sqrt(operation == QrOperation::add ? 0.5 / n : 1 / n);
}

class QrEmbeddingBag : public Op {
 public:
  explicit QrEmbeddingBag(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    options_ = table_options(args, 0);
    operation_ = operation_of(args);
    pool_first_ = args.attrs.flag(args.op, "pool_first", false);
    const size_t count = options_.columns.size();
    if (count == 0 || count % 2 || static_cast<size_t>(options_.tables()) != count)
      fail(Code::shape, "[%s] columns: expected pairs of a quotient and a remainder with a table each, received %zu columns of %lld tables",
           args.op, count, static_cast<long long>(options_.tables()));
    if (options_.any(Pooling::max)) fail(Code::argument, "[%s] mode: expected sum or mean, received \"max\"", args.op);
    width_ = options_.widths[0];
    for (size_t c = 0; c < count; ++c)
      if (options_.widths[c] != width_ || options_.columns[c].pooling != options_.columns[c & ~size_t{1}].pooling)
        fail(Code::argument, "[%s] widths, modes: expected one width, and one mode for each pair", args.op);
    declare(args);
  }

  bool wants_dlookup(const Run&) const override { return true; }

  void forward(const Run& run) const override {
    check_bags(run);
    const View& out = run.out[0];
    each_chunk(run, [&](int64_t k, Range bags) { kernels_.forward({out.f32() + k * out_width(), out.stride, pair(run, k)}, bags); });
  }

  void backward(const Run& run) const override {
    const View& dout = run.dout[0];
    if (!run.dlookup || !dout) return;
    const Bags& bags = *run.in[0].bags;
    const auto rows_of = [&](int64_t column) {
      int64_t before = 0;
      for (int64_t bag = 0; bag < options_.columns[static_cast<size_t>(column)].bag; ++bag) before += bags.lookups(bag);
      return run.dlookup + before * width_;
    };
    each_chunk(run, [&](int64_t k, Range range) {
      kernels_.backward({rows_of(2 * k), rows_of(2 * k + 1), dout.f32() + k * out_width(), dout.stride, pair(run, k)}, range);
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto numbers = static_cast<double>(options_.lookups(*run.in[0].bags) * width_);
    const auto out = static_cast<double>(run.batch * pairs() * out_width());
    return {numbers * 2, 4 * (numbers * (backward ? 2 : 1) + out)};
  }

 private:
  int64_t pairs() const { return static_cast<int64_t>(options_.columns.size()) / 2; }
  int64_t out_width() const { return operation_ == QrOperation::concat ? 2 * width_ : width_; }

  void declare(const MakeArgs& args) {
    SparseUpdate update;
    for (size_t c = 0; c < options_.columns.size(); ++c) {
      const double n = static_cast<double>(options_.rows[c & ~size_t{1}]) * static_cast<double>(options_.rows[c | 1]);
      const double a = bound(operation_, n);
      const std::string name = args.name + "." + std::to_string(c / 2) + (c % 2 ? ".weight_r" : ".weight_q");
      params.push_back({name, {options_.rows[c], width_}, args.attrs.init(args.op, {Init::uniform, -a, a}), true});
      update.params.push_back(static_cast<int>(c));
      update.columns.push_back(options_.columns[c].bag);
      update.tables.push_back(options_.columns[c].table);
      update.modes.push_back("sum");  // the lookups' gradients have the mean in them
    }
    update.widths = options_.widths;
    update.gradient = SparseUpdate::per_lookup;
    sparse_updates.push_back(std::move(update));
    dlookup_cols = width_;
    outputs = {{kPerExample, pairs() * out_width()}};
    bag_rows = options_.bag_rows(args.bags(0).tables);
    backward_reads_outputs = false;
  }

  // Derived columns of one column share their offsets; others must agree.
  void check_bags(const Run& run) const {
    const Bags& bags = *run.in[0].bags;
    for (int64_t k = 0; k < pairs(); ++k) {
      const TableColumn &q = options_.columns[static_cast<size_t>(2 * k)], &r = options_.columns[static_cast<size_t>(2 * k + 1)];
      const int32_t *a = bags.offsets[q.bag], *b = bags.offsets[r.bag];
      if (a != b && memcmp(a, b, static_cast<size_t>(run.batch + 1) * sizeof(int32_t)))
        fail(Code::offsets, "[qr_embedding_bag] columns %lld and %lld: expected the same bags", static_cast<long long>(q.bag),
             static_cast<long long>(r.bag));
      if (bags.weights && bags.weights[q.bag] && q.pooling != Pooling::sum)
        fail(Code::argument, "[qr_embedding_bag] weights: per-sample weights go with mode sum only, received mode mean");
    }
  }

  QrPair pair(const Run& run, int64_t k) const {
    const Bags& bags = *run.in[0].bags;
    const TableColumn &q = options_.columns[static_cast<size_t>(2 * k)], &r = options_.columns[static_cast<size_t>(2 * k + 1)];
    const View &weight_q = run.params[q.table], &weight_r = run.params[r.table];
    return {weight_q.f32(),
            weight_r.f32(),
            weight_q.stride,
            weight_r.stride,
            width_,
            bags.offsets[q.bag],
            bags.indices[q.bag],
            bags.indices[r.bag],
            bags.weights ? bags.weights[q.bag] : nullptr,
            bags.lookups(q.bag),
            q.pooling == Pooling::mean,
            pool_first_,
            operation_};
  }

  // kernel(pair, range of bags)
  template <class F>
  void each_chunk(const Run& run, F&& kernel) const {
    const int64_t per_pair = (run.batch + kBagsPerChunk - 1) / kBagsPerChunk;
    const double ns = static_cast<double>(options_.lookups(*run.in[0].bags)) * (4 + 0.2 * static_cast<double>(width_));
    for_chunks(run.pool, per_pair * pairs(), ns,
               [&](int64_t i) { kernel(i / per_pair, chunk_range(run.batch, per_pair, i % per_pair)); });
  }

  const QrEmbeddingBagKernels& kernels_;
  TableOptions options_;
  QrOperation operation_;
  bool pool_first_;
  int64_t width_;
};

}  // namespace

std::unique_ptr<Op> make_qr_embedding_bag(const MakeArgs& args) { return std::make_unique<QrEmbeddingBag>(args); }

}  // namespace dlrm
