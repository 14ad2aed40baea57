#include "ops/embedding_bag/embedding_bag.h"

#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "base/table_rows.h"
#include "ops/embedding_bag/bag_cut.h"
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
// A bag is giant beyond this many chunks, and this many lookups.
constexpr int64_t kGiantChunks = 4, kGiantLookups = 64;
// Tables beyond this are in no near cache: a line of theirs costs so many nanoseconds, one of the others so many.
constexpr int64_t kNearBytes = 1 << 20;
constexpr double kFarLineNs = 8, kNearLineNs = 2;

class EmbeddingBag : public Op {
 public:
  explicit EmbeddingBag(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<EmbeddingBagCuda>(args)) {
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

  size_t scratch_bytes(const Run& run) const override {
    if (cuda_) return cuda_scratch_bytes(run);
    return align_up(TableTasks::bytes(columns())) + static_cast<size_t>(2 * giant_chunks(run) * part_floats()) * sizeof(float);
  }

  // The gradient of the per-sample weights that these bags have, or of the learned row weights. Quantised tables are for
  // predictions.
  bool wants_dlookup(const Run& run) const override {
    return !is_quantised(params[0].dtype) && (row_weights_ || (run.in && run.in[0].bags && run.in[0].bags->weights && options_.any(Pooling::sum)));
  }

  bool cuts_bags(const Bags& bags, int64_t batch) const override {
    for (const TableColumn& column : options_.columns) {
      const int64_t giant = giant_lookups(column);
      const int32_t* const offsets = bags.offsets[column.bag];
      for (int64_t b = 0; bags.lookups(column.bag) > giant && b < batch; ++b)
        if (offsets[b + 1] - offsets[b] > giant) return true;
    }
    return false;
  }

  void forward(const Run& run) const override {
    check_weights(*run.in[0].bags);
    if (cuda_) return cuda_forward(run);
    const TableTasks tasks = cut_chunks(run);
    each_chunk(run, tasks, [&](const TableColumn& column, int64_t i, const BagCut& cut) {
      const EmbeddingBagForward a = output(run, column);
      if (cut.bags.begin < cut.bags.end) kernels_.forward(a, cut.bags);
      sum_part(a, cut.head, part_of(run, column, 2 * i));
      sum_part(a, cut.tail, part_of(run, column, 2 * i + 1));
    });
    if (!giant_chunks(run)) return;
    each_chunk(run, tasks, [&](const TableColumn& column, int64_t i, const BagCut& cut) {
      if (cut.tail.bag >= 0) join_parts(run, column, tasks, i, cut.tail.bag);
    });
  }

  void backward(const Run& run) const override {
    if (!run.dlookup || !run.dout[0]) return;
    if (cuda_) return cuda_backward(run);
    each_unread(run, [&](float* dlookup, int64_t lookups) { std::fill_n(dlookup, lookups, 0.0f); });
    each_chunk(run, cut_chunks(run), [&](const TableColumn& column, int64_t, const BagCut& cut) {
      if (column.pooling != Pooling::sum) return;
      const EmbeddingBagBackward a = gradient(run, column);
      if (cut.bags.begin < cut.bags.end) kernels_.backward(a, cut.bags);
      for (const BagPart& part : {cut.head, cut.tail}) {
        if (part.bag < 0) continue;
        const int32_t offsets[2] = {static_cast<int32_t>(part.begin), static_cast<int32_t>(part.end)};
        EmbeddingBagBackward one = a;
        one.dout += part.bag * a.dout_stride;
        one.table.offsets = offsets;
        kernels_.backward(one, {0, 1});
      }
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const Bags& bags = *run.in[0].bags;
    if (backward && !wants_dlookup(run)) return {};
    Cost cost{0, 4 * static_cast<double>(run.batch) * static_cast<double>(options_.cols + (backward ? 0 : options_.positions_cols))};
    for (const TableColumn& column : options_.columns) {
      const auto lookups = static_cast<double>(bags.lookups(column.bag));
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

  // fn(dlookup, lookups): bags that no column of mode sum reads.
  template <class F>
  void each_unread(const Run& run, F&& fn) const {
    const Bags& bags = *run.in[0].bags;
    std::vector<bool> read(static_cast<size_t>(bags.tables));
    for (const TableColumn& column : options_.columns) read[static_cast<size_t>(column.bag)] = column.pooling == Pooling::sum;
    float* dlookup = run.dlookup;
    for (int64_t bag = 0; bag < bags.tables; ++bag) {
      const int64_t lookups = bags.lookups(bag);
      if (!read[static_cast<size_t>(bag)]) fn(dlookup, lookups);
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
            bags.lookups(column.bag),
            column.pooling};
  }

  EmbeddingBagForward output(const Run& run, const TableColumn& column) const {
    EmbeddingBagForward a{run.out[0].f32() + column.at, run.out[0].stride, nullptr, 0, table(run, column)};
    if (column.pooling == Pooling::max) {
      a.positions = run.saved[0].i32() + column.positions_at;
      a.positions_stride = run.saved[0].stride;
    }
    return a;
  }

  EmbeddingBagBackward gradient(const Run& run, const TableColumn& column) const {
    float* dlookup = run.dlookup;
    for (int64_t bag = 0; bag < column.bag; ++bag) dlookup += run.in[0].bags->lookups(bag);
    return {dlookup, run.dout[0].f32() + column.at, run.dout[0].stride, table(run, column)};
  }

  size_t cuda_scratch_bytes(const Run& run) const {
    std::vector<EmbeddingBagForward> all;
    for (const TableColumn& column : options_.columns) {
      EmbeddingBagForward a{};
      a.table.width = column.width;
      a.table.lookups = run.in[0].bags->lookups(column.bag);
      a.table.pooling = column.pooling;
      all.push_back(a);
    }
    return cuda_->scratch_bytes(all.data(), columns());
  }

  void cuda_forward(const Run& run) const {
    std::vector<EmbeddingBagForward> all;
    for (const TableColumn& column : options_.columns) all.push_back(output(run, column));
    cuda_->forward(all.data(), columns(), run.batch, run.scratch, run.stream);
  }

  void cuda_backward(const Run& run) const {
    std::vector<EmbeddingBagBackward> all;
    for (const TableColumn& column : options_.columns)
      if (column.pooling == Pooling::sum) all.push_back(gradient(run, column));
    each_unread(run, [&](float* dlookup, int64_t lookups) {
      EmbeddingBagBackward unread{};
      unread.dlookup = dlookup;
      unread.table.lookups = lookups;
      all.push_back(unread);
    });
    cuda_->backward(all.data(), static_cast<int64_t>(all.size()), run.batch, run.stream);
  }

  // Bags and lookups both count, so that long bags are spread as well as many bags.
  int64_t chunks_of(const Run& run, const TableColumn& column) const {
    const int64_t work = run.in[0].bags->lookups(column.bag) + run.batch;
    return std::min(work, (work * (column.width + kLineFloats) + kChunkFloats - 1) / kChunkFloats);
  }

  static int64_t giant_lookups(const TableColumn& column) {
    return std::max(kGiantLookups, kGiantChunks * kChunkFloats / (column.width + kLineFloats));
  }

  // Chunks, if a bag can be giant, else 0.
  int64_t giant_chunks(const Run& run) const {
    bool giant = false;
    int64_t chunks = 0;
    for (const TableColumn& column : options_.columns) {
      chunks += chunks_of(run, column);
      giant |= run.in[0].bags->lookups(column.bag) > giant_lookups(column);
    }
    return giant ? chunks : 0;
  }

  // Of the output of a part of a giant bag: values, and positions.
  int64_t part_floats() const {
    int64_t widest = 0;
    for (const int64_t width : options_.widths) widest = std::max(widest, width);
    return widest * (options_.positions_cols ? 2 : 1);
  }

  TableTasks cut_chunks(const Run& run) const {
    TableTasks tasks{static_cast<int64_t*>(run.scratch), columns()};
    tasks.fill([&](int64_t c) { return chunks_of(run, options_.columns[static_cast<size_t>(c)]); });
    return tasks;
  }

  BagCutter cutter(const Run& run, const TableColumn& column) const {
    return {run.in[0].bags->offsets[column.bag], run.batch, chunks_of(run, column), giant_lookups(column)};
  }

  double estimated_ns(const Run& run) const {
    double ns = 0;
    for (const TableColumn& column : options_.columns) {
      const bool far = options_.rows[static_cast<size_t>(column.table)] * column.width * 4 > kNearBytes;
      const double lines = static_cast<double>((column.width + kLineFloats - 1) / kLineFloats);
      const auto lookups = static_cast<double>(run.in[0].bags->lookups(column.bag));
      ns += lookups * (4 + lines * (far ? kFarLineNs : kNearLineNs)) + static_cast<double>(run.batch) * 4;
    }
    return ns;
  }

  // fn(column, number of the chunk, what it has).
  template <class F>
  void each_chunk(const Run& run, const TableTasks& tasks, F&& fn) const {
    for_chunks(run.pool, tasks.total(), estimated_ns(run), [&](int64_t i) {
      const int64_t c = tasks.table_of(i);
      const TableColumn& column = options_.columns[static_cast<size_t>(c)];
      fn(column, i, cutter(run, column).cut(i - tasks.first[c]));
    });
  }

  // One row of output for a part of a giant bag.
  EmbeddingBagForward part_of(const Run& run, const TableColumn& column, int64_t slot) const {
    char* parts = static_cast<char*>(run.scratch) + align_up(TableTasks::bytes(columns()));
    float* out = reinterpret_cast<float*>(parts) + slot * part_floats();
    return {out, 0, reinterpret_cast<int32_t*>(out + column.width), 0, {}};
  }

  void sum_part(const EmbeddingBagForward& whole, const BagPart& part, EmbeddingBagForward one) const {
    if (part.bag < 0) return;
    const int32_t offsets[2] = {static_cast<int32_t>(part.begin), static_cast<int32_t>(part.end)};
    one.table = whole.table;
    one.table.offsets = offsets;
    if (one.table.pooling == Pooling::mean) one.table.pooling = Pooling::sum;
    kernels_.forward(one, {0, 1});
  }

  // The parts of the giant bag that begins in chunk i, in order.
  void join_parts(const Run& run, const TableColumn& column, const TableTasks& tasks, int64_t i, int64_t bag) const {
    const BagCutter cutter = this->cutter(run, column);
    const EmbeddingBagForward a = output(run, column);
    const int64_t first = tasks.first[tasks.table_of(i)];
    float* out = a.out + bag * a.out_stride;
    int32_t* positions = a.positions + bag * a.positions_stride;
    EmbeddingBagForward part = part_of(run, column, 2 * i + 1);
    std::copy_n(part.out, column.width, out);
    if (a.positions) std::copy_n(part.positions, column.width, positions);
    for (++i; cutter.reaches(bag, i - first); ++i) {
      part = part_of(run, column, 2 * i);
      for (int64_t e = 0; e < column.width; ++e) {
        if (!a.positions) {
          out[e] += part.out[e];
        } else if (part.out[e] > out[e]) {
          out[e] = part.out[e];
          positions[e] = part.positions[e];
        }
      }
    }
    if (column.pooling != Pooling::mean) return;
    for (int64_t e = 0; e < column.width; ++e) out[e] /= static_cast<float>(cutter.lookups(bag));
  }

  const EmbeddingBagKernels& kernels_;
  const EmbeddingBagCuda* const cuda_;
  TableOptions options_;
  bool row_weights_;
};

}  // namespace

std::unique_ptr<Op> make_embedding_bag(const MakeArgs& args) { return std::make_unique<EmbeddingBag>(args); }

}  // namespace dlrm
