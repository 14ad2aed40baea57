#include "ops/embedding_update/embedding_update.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/table_rows.h"
#include "ops/embedding_bag/table_options.h"
#include "ops/embedding_update/update_scratch.h"
#include "ops/registry.h"
#include "optim/rule.h"

namespace dlrm {
namespace {

const VariantTable<EmbeddingUpdateKernels> kVariants = {{
    &embedding_update_scalar,
    DLRM_X86(&embedding_update_avx2),
    DLRM_X86(&embedding_update_avx512),
}};

constexpr int64_t kChunkLookups = 512, kChunkRows = 512;
constexpr int64_t kSliceLookups = 1 << 14;    // of sums without a sort
constexpr int64_t kSumFloats = 1 << 17;       // most that the sums of one slice may take
constexpr int64_t kChunkFloats = 1 << 14;     // of whole tables that are sorted
constexpr double kSortNs = 5, kSumNs = 2;     // per lookup (and pass)
// A line of a table or a state: of one that is in no near cache, and of the others.
constexpr int64_t kNearBytes = 1 << 20;
constexpr double kFarLineNs = 16, kNearLineNs = 4;

class EmbeddingUpdate : public Op {
 public:
  explicit EmbeddingUpdate(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<EmbeddingUpdateCuda>(args)), rule_(args, Rule::tables) {
    per_lookup_ = args.attrs.flag(args.op, "per_lookup", false);
    shared_gradient_ = args.attrs.flag(args.op, "shared_gradient", false);
    if (args.inputs.empty()) args.expect_inputs(2);
    options_ = table_options(args, per_lookup_ ? 1 : 0);
    dtype_ = table_dtype(args.op, args.attrs.text(args.op, "dtype", "f32"));
    if (is_quantised(dtype_))
      fail(Code::state, "[%s] tables of %s are for predictions: train with f32, bf16 or f16", args.op, dtype_name(dtype_));
    args.expect_inputs(options_.any(Pooling::max) ? 3 : 2);
    std::stable_sort(options_.columns.begin(), options_.columns.end(),
                     [](const TableColumn& a, const TableColumn& b) { return a.table < b.table; });
    check_inputs(args);
    declare(args);
    bag_rows = options_.bag_rows(args.bags(0).tables);
    differentiable = false;
    constants_bytes = sizeof(RuleStep) + name_hashes_.size() * sizeof(RoundingKey);
  }

  size_t scratch_bytes(const Run& run) const override {
    return cuda_ ? cuda_->scratch_bytes(CudaTables(*this, run).job) : lay_out(run, nullptr).bytes;
  }

  // The step's numbers, then the tables' keys of random words.
  void write_constants(const Run& run, void* to) const override {
    RuleStep step = rule_.at(run.lr, run.step);
    step.scale = run.scale;
    memcpy(to, &step, sizeof step);
    auto* keys = static_cast<char*>(to) + sizeof step;
    for (int64_t t = 0; t < options_.tables(); ++t) {
      const RoundingKey key = rounding_key(run, t);
      memcpy(keys + t * static_cast<int64_t>(sizeof key), &key, sizeof key);
    }
  }

  void forward(const Run& run) const override {
    const View& dout = run.in[1].view;
    if (!dout) return;
    check_run(run);
    if (cuda_) return cuda_->forward(CudaTables(*this, run).job, run.stream);
    RuleStep step = rule_.at(run.lr, run.step);
    step.scale = run.scale;
    const UpdateScratch scratch = lay_out(run, run.scratch);
    if (!run.again) {
      sum_or_sort(run, scratch, step);
      sort_slices(run, scratch);
    }
    if (scratch.whole.total() && !run.squares) update_whole(run, scratch, step);
    for_chunks(run.pool, scratch.chunks.total(), estimated_ns(scratch), [&](int64_t i) {
      const int64_t t = scratch.chunks.table_of(i);
      const EmbeddingUpdateArgs a = table(run, scratch, t, step);
      const int64_t n = a.slices ? a.rows : a.lookups;
      const Range part = chunk_range(n, scratch.chunks.chunks_of(t), i - scratch.chunks.first[t]);
      float* gradient = scratch.gradients + i * scratch.gradient_stride;
      if (run.squares)
        scratch.squares[i] = kernels_.squares(a, part, gradient);
      else
        a.slices ? kernels_.update_sums(a, part, gradient) : kernels_.update(a, part, gradient);
    });
    if (run.squares)
      for (int64_t i = 0; i < scratch.chunks.total(); ++i) *run.squares += scratch.squares[i];
  }

  // Each touched row and its states, as many as there are in evenly drawn lookups, once read and once written; the gradient
  // once, whatever bags share it.
  Cost cost(const Run& run, bool) const override {
    const Bags& bags = *run.in[0].bags;
    const View& dout = run.in[1].view;
    Cost cost{0, 4 * static_cast<double>(dout.rows) * static_cast<double>(dout.cols)};
    std::vector<double> lookups(options_.widths.size());
    for (const TableColumn& column : options_.columns) lookups[static_cast<size_t>(column.table)] += static_cast<double>(bags.lookups(column.bag));
    for (int64_t t = 0; t < options_.tables(); ++t) {
      const auto e = static_cast<double>(width(t)), r = static_cast<double>(rows(t)), n = lookups[static_cast<size_t>(t)];
      const double touched = rule_.whole() ? r : r == 1 ? std::min(n, 1.0) : r * -std::expm1(n * std::log1p(-1 / r));
      double states = 0;
      for (const RuleState& state : rule_.states) states += state.per_row ? 1 : e;
      cost.flops += (n + 2 * touched) * e;
      cost.bytes += 4 * n + 2 * touched * (4 * states + static_cast<double>(row_bytes(dtype_, width(t))));
    }
    return cost;
  }

 private:
  int64_t width(int64_t t) const { return options_.widths[static_cast<size_t>(t)]; }
  int64_t rows(int64_t t) const { return options_.rows[static_cast<size_t>(t)]; }

  void check_inputs(const MakeArgs& args) const {
    if (per_lookup_ && (options_.any(Pooling::mean) || options_.any(Pooling::max)))
      fail(Code::argument, "[%s] per_lookup: gradients of lookups go with mode sum", args.op);
    if (per_lookup_ && shared_gradient_)
      fail(Code::argument, "[%s] shared_gradient: expected per_lookup or shared_gradient, received both", args.op);
    for (const int64_t w : options_.widths)
      if ((per_lookup_ || shared_gradient_) && w != options_.widths[0])
        fail(Code::argument, "[%s] widths: all columns have one gradient, expected one width", args.op);
    args.matrix(1, per_lookup_ || shared_gradient_ ? options_.widths[0] : options_.cols);
    if (options_.positions_cols && args.matrix(2, options_.positions_cols).dtype != DType::i32)
      fail(Code::shape, "[%s] %s: input 2: expected positions of int32, received float32", args.op, args.name.c_str());
  }

  // The tables, their scales, each state of the rule for every table.
  void declare(const MakeArgs& args) {
    const std::vector<std::string> names = args.attrs.texts(args.op, "names");
    const std::vector<std::string> scales = args.attrs.texts(args.op, "scale_names");
    const auto tables = static_cast<size_t>(options_.tables());
    if (names.size() != tables)
      fail(Code::shape, "[%s] names: expected %zu, received %zu", args.op, tables, names.size());
    const bool sum_only = !options_.any(Pooling::mean) && !options_.any(Pooling::max);
    if (!scales.empty() && (scales.size() != tables || per_lookup_ || !sum_only))
      fail(Code::argument, "[%s] scale_names: expected none, or %zu with mode sum, received %zu", args.op, tables,
           scales.size());
    scaled_ = !scales.empty();
    // Per lookup, tables of width 1 are vectors: learned row weights.
    const auto add = [&](size_t t, const std::string& name, bool per_row, const Init& init) {
      std::vector<int64_t> dims = {options_.rows[t]};
      if (!per_row) dims.push_back(options_.widths[t]);
      params.push_back({name, dims, init, true});
    };
    const bool vectors = per_lookup_ && options_.widths[0] == 1;
    for (size_t t = 0; t < tables; ++t) {
      add(t, names[t], vectors, {});
      params.back().dtype = dtype_;
      name_hashes_.push_back(name_hash(names[t]));
    }
    for (size_t t = 0; t < scales.size(); ++t) add(t, scales[t], true, {Init::ones});
    for (const RuleState& state : rule_.states)
      for (size_t t = 0; t < tables; ++t) add(t, names[t] + "." + state.name, vectors || state.per_row, rule_.initial);
  }

  double estimated_ns(const UpdateScratch& s) const {
    double ns = 0;
    for (int64_t t = 0; t < options_.tables(); ++t) {
      if (!s.chunks.chunks_of(t)) continue;
      const bool far = rows(t) * row_bytes(dtype_, width(t)) > kNearBytes;
      double lines = static_cast<double>(row_bytes(dtype_, width(t)) + 63) / 64;
      for (const RuleState& state : rule_.states) lines += state.per_row ? 1 : static_cast<double>(width(t) + 15) / 16;
      ns += static_cast<double>(s.sorts[t].lookups) * (8 + lines * (far ? kFarLineNs : kNearLineNs));
    }
    return ns;
  }

  // Every row of the tables that are sorted.
  void update_whole(const Run& run, const UpdateScratch& scratch, const RuleStep& step) const {
    const double ns = 0.4 * static_cast<double>(kChunkFloats * scratch.whole.total());
    for_chunks(run.pool, scratch.whole.total(), ns, [&](int64_t i) {
      const int64_t t = scratch.whole.table_of(i);
      const Range range = chunk_range(rows(t), scratch.whole.chunks_of(t), i - scratch.whole.first[t]);
      kernels_.update_all(table(run, scratch, t, step), range, scratch.gradients + i * scratch.gradient_stride);
    });
  }

  void check_run(const Run& run) const {
    const Bags& bags = *run.in[0].bags;
    for (const TableColumn& column : options_.columns)
      if (weights_of(bags, column) && (column.pooling != Pooling::sum || scaled_))
        fail(Code::argument, "[embedding_update] weights: per-sample weights go with mode sum and no scales only");
    for (int i = 1; i < (options_.positions_cols ? 3 : 2); ++i) {
      const View& view = run.in[i].view;
      if (view.rows * view.stride > int64_t{UINT32_MAX})
        fail(Code::shape, "[embedding_update] input %d: expected at most 2^32 numbers, received %lld rows of %lld", i,
             static_cast<long long>(view.rows), static_cast<long long>(view.stride));
    }
  }

  const float* weights_of(const Bags& bags, const TableColumn& column) const {
    return !per_lookup_ && bags.weights ? bags.weights[column.bag] : nullptr;
  }

  UpdateColumn column_of(const Run& run, const TableColumn& column, int64_t first) const {
    const Bags& bags = *run.in[0].bags;
    UpdateColumn c{};
    c.offsets = bags.offsets[column.bag];
    c.indices = bags.indices[column.bag];
    c.weights = weights_of(bags, column);
    c.lookups = bags.lookups(column.bag);
    c.first = first;
    c.pooling = column.pooling;
    c.per_lookup = per_lookup_;
    c.gradient_stride = run.in[1].view.stride;
    c.gradient = per_lookup_ ? before(bags, column.bag) * c.gradient_stride : shared_gradient_ ? 0 : column.at;
    if (column.pooling == Pooling::max) {
      c.positions = column.positions_at;
      c.positions_stride = run.in[2].view.stride;
    }
    return c;
  }

  // What the GPU gets: everything but the numbers of the step.
  struct CudaTables {
    CudaTables(const EmbeddingUpdate& op, const Run& run) : columns(op.options_.columns.size()) {
      RuleStep rule = op.rule_.at(0, 1);
      const int64_t count = op.options_.tables();
      for (int64_t t = 0, c = 0; t < count; ++t) {
        EmbeddingUpdateArgs a = op.table(run, t, rule);
        a.columns = columns.data() + c;
        for (; c < static_cast<int64_t>(columns.size()) && op.options_.columns[static_cast<size_t>(c)].table == t; ++c) {
          columns[static_cast<size_t>(c)] = op.column_of(run, op.options_.columns[static_cast<size_t>(c)], a.lookups);
          a.lookups += columns[static_cast<size_t>(c)].lookups;
          ++a.column_count;
        }
        tables.push_back(a);
      }
      const auto* step = static_cast<const RuleStep*>(run.constants);
      job = {tables.data(), count, run.batch, step, step ? reinterpret_cast<const RoundingKey*>(step + 1) : nullptr, run.scale_at, run.squares, run.again, run.scratch};
    }
    std::vector<UpdateColumn> columns;
    std::vector<EmbeddingUpdateArgs> tables;
    EmbeddingUpdateJob job;
  };

  // `memory` null: only measures.
  UpdateScratch lay_out(const Run& run, void* memory) const {
    const int64_t tables = options_.tables(), columns = static_cast<int64_t>(options_.columns.size());
    Carver carver(memory);
    UpdateScratch s{};
    s.columns = carver.take<UpdateColumn>(columns);
    s.sorts = carver.take<LookupSort>(tables);
    s.sums = carver.take<UpdateSums>(tables);
    s.first = {carver.take<int64_t>(tables + 1), tables};
    s.slices = {carver.take<int64_t>(tables + 1), tables};
    s.chunks = {carver.take<int64_t>(tables + 1), tables};
    s.whole = {carver.take<int64_t>(tables + 1), tables};
    int64_t chunks = 0, whole = 0, widest = 0;
    for (int64_t t = 0, c = 0; t < tables; ++t) {
      LookupSort sort;
      bool by_lookup = false;
      sort.columns = s.columns + c;
      sort.batch = run.batch;
      for (; c < columns && options_.columns[static_cast<size_t>(c)].table == t; ++c) {
        const UpdateColumn column = column_of(run, options_.columns[static_cast<size_t>(c)], sort.lookups);
        by_lookup |= column.weights || column.pooling != Pooling::sum;
        sort.lookups += column.lookups;
        ++sort.column_count;
        if (memory) s.columns[c] = column;
      }
      UpdateSums sums{sum_slices(t, sort.lookups), nullptr, nullptr};
      if (sums.slices) {
        sums.sums = carver.take<float>(sums.slices * rows(t) * sum_floats(width(t)));
        sums.touched = carver.take<uint8_t>(sums.slices * rows(t));
      } else {
        sort.plan(rows(t));
        if (by_lookup) sort.sources = carver.take<LookupSource>(sort.lookups);
        for (auto& keys : sort.keys) keys = carver.take<uint64_t>(sort.lookups);
        sort.counts = carver.take<uint32_t>(sort.slices * sort.buckets());
        if (sort.slices > 1) s.passes = std::max(s.passes, sort.passes);
      }
      if (memory) {
        s.sorts[t] = sort;
        s.sums[t] = sums;
      }
      chunks += chunks_of(run, t, sort.lookups, sums.slices);
      whole += whole_chunks(t, sums.slices);
      widest = std::max(widest, width(t));
    }
    s.gradient_stride = (widest + kGradientFloats - 1) / kGradientFloats * kGradientFloats;
    s.gradients = carver.take<float>(std::max({chunks, whole, tables}) * s.gradient_stride);
    if (run.squares) s.squares = carver.take<double>(chunks);  // last: the call that comes again has none
    s.bytes = carver.used();
    if (!memory) return s;
    s.slices.fill([&](int64_t t) { return s.sorts[t].slices > 1 ? s.sorts[t].slices : 0; });
    s.first.fill([&](int64_t t) { return s.sums[t].slices ? s.sums[t].slices : s.sorts[t].slices == 1; });
    s.chunks.fill([&](int64_t t) { return chunks_of(run, t, s.sorts[t].lookups, s.sums[t].slices); });
    s.whole.fill([&](int64_t t) { return whole_chunks(t, s.sums[t].slices); });
    return s;
  }

  // Fewer rows than lookups in each slice, and not too many for a cache: then summing costs less than sorting. Else 0.
  int64_t sum_slices(int64_t t, int64_t lookups) const {
    const int64_t slices = (lookups + kSliceLookups - 1) / kSliceLookups;
    return rows(t) * slices <= lookups && rows(t) * sum_floats(width(t)) <= kSumFloats ? slices : 0;
  }

  // Gradients are made in one call and used in another.
  static bool in_two_calls(const Run& run) { return run.squares || run.again; }

  // None for the sums of a single slice, which are used where they are made, nor where whole tables have their own.
  int64_t chunks_of(const Run& run, int64_t t, int64_t lookups, int64_t slices) const {
    if (slices) return slices == 1 && !in_two_calls(run) ? 0 : (rows(t) + kChunkRows - 1) / kChunkRows;
    return rule_.whole() && !run.squares ? 0 : (lookups + kChunkLookups - 1) / kChunkLookups;
  }

  int64_t whole_chunks(int64_t t, int64_t slices) const {
    return rule_.whole() && !slices ? (rows(t) * width(t) + kChunkFloats - 1) / kChunkFloats : 0;
  }

  // The sums; sorts of one slice in one go each.
  void sum_or_sort(const Run& run, const UpdateScratch& s, const RuleStep& step) const {
    double ns = 0;
    for (int64_t t = 0; t < options_.tables(); ++t)
      if (s.first.chunks_of(t))
        ns += static_cast<double>(s.sorts[t].lookups) * (s.sums[t].slices ? kSumNs + 0.1 * static_cast<double>(width(t)) : kSortNs * s.sorts[t].passes);
    for_chunks(run.pool, s.first.total(), ns, [&](int64_t i) {
      const int64_t t = s.first.table_of(i), slice = i - s.first.first[t];
      const UpdateSums& sums = s.sums[t];
      if (!sums.slices) return s.sorts[t].run();
      const EmbeddingUpdateArgs a = table(run, s, t, step);
      const int64_t floats = a.rows * sum_floats(a.width);
      std::fill_n(a.sums + slice * floats, floats, 0.0f);
      std::fill_n(a.touched + slice * a.rows, a.rows, uint8_t{0});
      kernels_.sum(a, chunk_range(a.lookups, sums.slices, slice), slice);
      if (sums.slices == 1 && !in_two_calls(run)) kernels_.update_sums(a, {0, a.rows}, s.gradients + t * s.gradient_stride);
    });
  }

  // The other sorts together, pass by pass.
  void sort_slices(const Run& run, const UpdateScratch& s) const {
    const int64_t tables = options_.tables();
    const double ns = kSortNs * static_cast<double>(options_.lookups(*run.in[0].bags));
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

  EmbeddingUpdateArgs table(const Run& run, const UpdateScratch& s, int64_t t, const RuleStep& step) const {
    const LookupSort& sort = s.sorts[t];
    EmbeddingUpdateArgs a = table(run, t, step);
    if (a.dtype != DType::f32) a.rounding = rounding_key(run, t);
    a.columns = sort.columns;
    a.column_count = sort.column_count;
    a.lookups = sort.lookups;
    a.slices = s.sums[t].slices;
    a.sums = s.sums[t].sums;
    a.touched = s.sums[t].touched;
    if (!a.slices) {
      a.keys = sort.sorted();
      a.sources = sort.sources;
    }
    return a;
  }

  // Without its lookups.
  EmbeddingUpdateArgs table(const Run& run, int64_t t, const RuleStep& step) const {
    const int64_t tables = options_.tables();
    EmbeddingUpdateArgs a{};
    a.weight = run.params[t].data;
    a.dtype = run.params[t].dtype;
    a.weight_stride = row_stride(run.params[t]);
    a.width = width(t);
    for (size_t i = 0; i < rule_.states.size(); ++i) {
      const View& state = run.params[static_cast<int64_t>(i + 1 + scaled_) * tables + t];
      a.state[i] = state.f32();
      a.state_stride[i] = row_stride(state);
    }
    a.rows = rows(t);
    a.batch = run.batch;
    a.dout = run.in[1].view.f32();
    if (scaled_) a.row_weights = run.params[tables + t].f32();
    if (options_.positions_cols) a.positions = run.in[2].view.i32();
    a.whole = rule_.whole();
    a.rule = step;
    return a;
  }

  RoundingKey rounding_key(const Run& run, int64_t t) const {
    const Philox::Block block = Philox{run.key}(static_cast<uint64_t>(run.step), name_hashes_[static_cast<size_t>(t)]);
    return {block.v[0] | static_cast<uint64_t>(block.v[1]) << 32};
  }

  // A vector is a View of one row.
  static int64_t row_stride(const View& view) { return view.rows == 1 && view.cols > 1 ? 1 : view.stride; }

  static int64_t before(const Bags& bags, int64_t bag) {
    int64_t lookups = 0;
    for (int64_t b = 0; b < bag; ++b) lookups += bags.lookups(b);
    return lookups;
  }

  const EmbeddingUpdateKernels& kernels_;
  const EmbeddingUpdateCuda* const cuda_;
  Rule rule_;
  TableOptions options_;
  DType dtype_;
  std::vector<uint64_t> name_hashes_;
  bool per_lookup_, shared_gradient_, scaled_ = false;
};

}  // namespace

std::unique_ptr<Op> make_embedding_update(const MakeArgs& args) { return std::make_unique<EmbeddingUpdate>(args); }

}  // namespace dlrm
