#include "ops/embedding_update/embedding_update.h"

#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "ops/embedding_bag/table_options.h"
#include "ops/embedding_bag/table_tasks.h"
#include "ops/embedding_update/lookup_sort.h"
#include "ops/registry.h"
#include "optim/rule.h"

namespace dlrm {
namespace {

const VariantTable<EmbeddingUpdateKernels> kVariants = {{
    &embedding_update_scalar,
    DLRM_X86(&embedding_update_avx2),
    DLRM_X86(&embedding_update_avx512),
}};

constexpr int64_t kChunkLookups = 512;
constexpr double kSortNs = 4;  // per lookup and pass

// Deals out one block of memory; without a block it only measures.
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  T* take(int64_t n) {
    T* p = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += align_up(static_cast<size_t>(n) * sizeof(T));
    return p;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

struct Scratch {
  LookupSort* sorts;   // [T]
  TableTasks slices;   // of the tables of several slices
  TableTasks chunks;
  float* gradients;    // [chunks][gradient_stride]
  int64_t gradient_stride;
  int passes;          // of the table of several slices that has most
  size_t bytes;
};

class EmbeddingUpdate : public Op {
 public:
  explicit EmbeddingUpdate(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), rule_(args, Rule::tables) {
    per_lookup_ = args.attrs.flag(args.op, "per_lookup", false);
    args.expect_inputs(args.attrs.text(args.op, "mode", "sum") == "max" ? 3 : 2);
    TableOptions options = table_options(args, per_lookup_ ? 1 : 0);
    rows_ = std::move(options.rows);
    width_ = options.width;
    pooling_ = options.pooling;
    if (per_lookup_ && (width_ != 1 || pooling_ != Pooling::sum))
      fail(Code::argument, "[%s] per_lookup: a number per lookup goes with width 1 and mode sum", args.op);
    check_inputs(args);
    declare(args);
    differentiable = false;
  }

  size_t scratch_bytes(const Run& run) const override { return lay_out(run, nullptr).bytes; }

  void forward(const Run& run) const override {
    const Bags& bags = *run.in[0].bags;
    if (!run.in[1].view) return;
    if (bags.weights && !per_lookup_ && (pooling_ != Pooling::sum || scaled_))
      fail(Code::argument, "[embedding_update] weights: per-sample weights go with mode sum and no scales only");
    const RuleStep step = rule_.at(run.lr, run.step);
    const Scratch scratch = lay_out(run, run.scratch);
    sort(run, scratch);
    const double lookup_ns = 8 + 0.3 * static_cast<double>(width_);
    const double ns = static_cast<double>(bags.total_lookups(run.batch)) * lookup_ns;
    for_chunks(run.pool, scratch.chunks.total(), ns, [&](int64_t i) {
      const int64_t t = scratch.chunks.table_of(i);
      const EmbeddingUpdateArgs a = table(run, scratch.sorts[t], t, step);
      const Range range = chunk_range(a.lookups, scratch.chunks.chunks_of(t), i - scratch.chunks.first[t]);
      kernels_.update(a, range, scratch.gradients + i * scratch.gradient_stride);
    });
  }

  Cost cost(const Run& run, bool) const override {
    const auto lookups = static_cast<double>(run.in[0].bags->total_lookups(run.batch)), e = static_cast<double>(width_);
    double states = 0;
    for (const RuleState& state : rule_.states) states += state.per_row ? 1 : e;
    return {lookups * e * 3, lookups * 4 * (1 + 3 * e + 2 * states)};
  }

 private:
  void check_inputs(const MakeArgs& args) const {
    const int64_t columns = per_lookup_ ? 1 : args.bags(0).tables * width_;
    args.matrix(1, columns);
    if (pooling_ == Pooling::max && args.matrix(2, columns).dtype != DType::i32)
      fail(Code::shape, "[%s] %s: input 2: expected positions of int32, received float32", args.op, args.name.c_str());
  }

  // The tables, their scales, each state of the rule for every table.
  void declare(const MakeArgs& args) {
    const std::vector<std::string> names = args.attrs.texts(args.op, "names");
    const std::vector<std::string> scales = args.attrs.texts(args.op, "scale_names");
    if (names.size() != rows_.size())
      fail(Code::shape, "[%s] names: expected %zu, received %zu", args.op, rows_.size(), names.size());
    if (!scales.empty() && (scales.size() != rows_.size() || per_lookup_ || pooling_ != Pooling::sum))
      fail(Code::argument, "[%s] scale_names: expected none, or %zu with mode sum, received %zu", args.op, rows_.size(),
           scales.size());
    scaled_ = !scales.empty();
    const auto add = [&](size_t t, const std::string& name, bool per_row, const Init& init) {
      std::vector<int64_t> dims = {rows_[t]};
      if (!per_row) dims.push_back(width_);
      params.push_back({name, dims, init, true});
    };
    for (size_t t = 0; t < rows_.size(); ++t) add(t, names[t], per_lookup_, {});
    for (size_t t = 0; t < scales.size(); ++t) add(t, scales[t], true, {Init::ones});
    for (const RuleState& state : rule_.states)
      for (size_t t = 0; t < rows_.size(); ++t)
        add(t, names[t] + "." + state.name, per_lookup_ || state.per_row, rule_.initial);
  }

  Scratch lay_out(const Run& run, void* memory) const {
    const Bags& bags = *run.in[0].bags;
    const int64_t tables = bags.tables;
    Carver carver(memory);
    Scratch s{};
    s.sorts = carver.take<LookupSort>(tables);
    s.slices = {carver.take<int64_t>(tables + 1), tables};
    s.chunks = {carver.take<int64_t>(tables + 1), tables};
    int64_t chunks = 0;
    for (int64_t t = 0; t < tables; ++t) {
      LookupSort sort;
      sort.offsets = bags.offsets[t];
      sort.indices = bags.indices[t];
      sort.batch = run.batch;
      sort.lookups = bags.lookups(t, run.batch);
      const bool weighted = !per_lookup_ && bags.weights && bags.weights[t];
      const bool by_position = weighted || pooling_ == Pooling::max;
      sort.by_bag = !per_lookup_ && !by_position;
      sort.plan(rows_[static_cast<size_t>(t)]);
      if (by_position) sort.bag_of = carver.take<int32_t>(sort.lookups);
      for (auto& keys : sort.keys) keys = carver.take<uint64_t>(sort.lookups);
      sort.counts = carver.take<uint32_t>(sort.slices * sort.buckets());
      if (sort.slices > 1) s.passes = std::max(s.passes, sort.passes);
      if (memory) s.sorts[t] = sort;
      chunks += chunks_of(sort.lookups);
    }
    s.gradient_stride = (width_ + kGradientFloats - 1) / kGradientFloats * kGradientFloats;
    s.gradients = carver.take<float>(chunks * s.gradient_stride);
    s.bytes = carver.used();
    if (!memory) return s;
    s.slices.fill([&](int64_t t) { return s.sorts[t].slices > 1 ? s.sorts[t].slices : 0; });
    s.chunks.fill([&](int64_t t) { return chunks_of(s.sorts[t].lookups); });
    return s;
  }

  static int64_t chunks_of(int64_t lookups) { return (lookups + kChunkLookups - 1) / kChunkLookups; }

  // Tables of one slice in one go each, then the others together, pass by pass.
  void sort(const Run& run, const Scratch& s) const {
    const int64_t tables = run.in[0].bags->tables;
    const double ns = kSortNs * static_cast<double>(run.in[0].bags->total_lookups(run.batch));
    for_chunks(run.pool, tables, ns, [&](int64_t t) {
      if (s.sorts[t].slices == 1) s.sorts[t].run();
    });
    for (int pass = 0; pass < s.passes; ++pass) {
      const auto each_slice = [&](auto&& work) {
        for_chunks(run.pool, s.slices.total(), ns, [&](int64_t i) {
          const int64_t t = s.slices.table_of(i);
          if (pass < s.sorts[t].passes) work(s.sorts[t], i - s.slices.first[t]);
        });
      };
      each_slice([pass](const LookupSort& sort, int64_t slice) { sort.count(pass, slice); });
      for_chunks(run.pool, tables, ns / 8, [&](int64_t t) {
        if (s.sorts[t].slices > 1 && pass < s.sorts[t].passes) s.sorts[t].starts();
      });
      each_slice([pass](const LookupSort& sort, int64_t slice) { sort.scatter(pass, slice); });
    }
  }

  EmbeddingUpdateArgs table(const Run& run, const LookupSort& sort, int64_t t, const RuleStep& step) const {
    const Bags& bags = *run.in[0].bags;
    EmbeddingUpdateArgs a{};
    a.weight = run.params[t].f32();
    a.weight_stride = per_lookup_ ? 1 : run.params[t].stride;
    a.width = width_;
    for (size_t i = 0; i < rule_.states.size(); ++i) {
      const View& state = run.params[static_cast<int64_t>(i + 1 + scaled_) * bags.tables + t];
      a.state[i] = state.f32();
      a.state_stride[i] = per_lookup_ || rule_.states[i].per_row ? 1 : state.stride;
    }
    a.keys = sort.sorted();
    a.lookups = sort.lookups;
    const View& dout = run.in[1].view;
    a.dout_stride = dout.stride;
    a.dout = dout.f32() + (per_lookup_ ? before(bags, run.batch, t) * dout.stride : t * width_);
    a.offsets = sort.offsets;
    a.bag_of = sort.bag_of;
    if (sort.bag_of && bags.weights) a.weights = bags.weights[t];
    if (scaled_) a.row_weights = run.params[bags.tables + t].f32();
    if (pooling_ == Pooling::max) {
      a.positions = run.in[2].view.i32() + t * width_;
      a.positions_stride = run.in[2].view.stride;
    }
    a.pooling = pooling_;
    a.rule = step;
    return a;
  }

  static int64_t before(const Bags& bags, int64_t batch, int64_t table) {
    int64_t lookups = 0;
    for (int64_t t = 0; t < table; ++t) lookups += bags.lookups(t, batch);
    return lookups;
  }

  const EmbeddingUpdateKernels& kernels_;
  Rule rule_;
  Pooling pooling_;
  bool per_lookup_, scaled_ = false;
  std::vector<int64_t> rows_;
  int64_t width_;
};

}  // namespace

std::unique_ptr<Op> make_embedding_update(const MakeArgs& args) { return std::make_unique<EmbeddingUpdate>(args); }

}  // namespace dlrm
