#include "ops/batch_norm/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/isa.h"
#include "ops/registry.h"
#include "ops/row_parts.h"

namespace dlrm {
namespace {

const VariantTable<BatchNormKernels> kVariants = {{
    &batch_norm_scalar,
    DLRM_X86(&batch_norm_avx2),
    DLRM_X86(&batch_norm_avx512),
}};

class BatchNorm : public Op {
 public:
  explicit BatchNorm(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), dropout_(args, "dropout") {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    if (cols_ < 1) fail(Code::shape, "[batch_norm] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    eps_ = args.attrs.number(args.op, "eps", 1e-5);
    momentum_ = args.attrs.number(args.op, "momentum", 0.1);
    if (!(eps_ > 0)) fail(Code::argument, "[batch_norm] %s: eps: expected a number > 0, received %g", args.name.c_str(), eps_);
    if (!(momentum_ >= 0 && momentum_ <= 1))
      fail(Code::argument, "[batch_norm] %s: momentum: expected a number in [0, 1], received %g", args.name.c_str(), momentum_);
    activation_ = activation_attr(args, "activation", "none");
    outputs = {{kPerExample, cols_}};
    saved = {{1, 2 * cols_}};  // mean, r
    if (dropout_.drops()) saved.push_back(DropoutOption::saved(cols_));
    params = {{args.name + ".weight", {cols_}, args.attrs.init(args.op, {Init::ones})}, {args.name + ".bias", {cols_}, {}}};
    params.push_back({args.name + ".running_mean", {cols_}, {}, false, true});
    params.push_back({args.name + ".running_var", {cols_}, {Init::ones}, false, true});
    backward_reads_outputs = activation_ == Activation::sigmoid || activation_ == Activation::tanh;
    packed_floats = cols_;
  }

  // packed: r of the running variance; a root for each column would be most of one example's time.
  void prepare(const Run& run) const override {
    for (int64_t c = 0; c < cols_; ++c) run.packed[c] = static_cast<float>(1 / std::sqrt(run.params[3].f32()[c] + eps_));
  }

  void forward(const Run& run) const override {
    if (!run.batch) return;
    const Scratch s = scratch(run);
    if (run.training)
      each_chunk(run, [&](int64_t i, Range rows) { kernels_.moments(run.in[0].view, rows, s.first(i), s.second(i)); });
    for_columns(run, [&](Range columns) {
      run.training ? batch_statistics(run, s, columns) : running_statistics(run, columns);
      set_columns(run, s, columns);
    });
    const BatchNormForward a{run.out[0], run.in[0].view, columns(run, s), activation_, mask(run)};
    each_chunk(run, [&](int64_t, Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    const Scratch s = scratch(run);
    for_columns(run, [&](Range columns) { set_columns(run, s, columns); });
    const BatchNormBackward a{run.din[0], run.dout[0], run.in[0].view, run.out[0], columns(run, s), activation_, mask(run)};
    each_chunk(run, [&](int64_t i, Range rows) { kernels_.gradient_sums(a, rows, s.first(i), s.second(i)); });
    for_columns(run, [&](Range columns) { sum_gradients(run, s, columns); });
    if (run.din[0]) each_chunk(run, [&](int64_t, Range rows) { kernels_.backward(a, rows); });
  }

  size_t scratch_bytes(const Run& run) const override {
    return static_cast<size_t>((3 + 2 * chunks(run)) * cols_) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{14 * n, 20 * n} : Cost{6 * n, 12 * n};
  }

 private:
  // Columns for the kernels, then the parts of the sums.
  struct Scratch {
    float *scale, *mean_dz, *slope, *parts;
    int64_t cols;
    float* first(int64_t chunk) const { return parts + 2 * chunk * cols; }
    float* second(int64_t chunk) const { return first(chunk) + cols; }
  };
  Scratch scratch(const Run& run) const {
    auto* base = static_cast<float*>(run.scratch);
    return {base, base + cols_, base + 2 * cols_, base + 3 * cols_, cols_};
  }
  float* mean(const Run& run) const { return run.saved[0].f32(); }
  float* r(const Run& run) const { return run.saved[0].f32() + cols_; }
  DropoutMask mask(const Run& run) const {
    return dropout_.drops() ? dropout_.mask(run, run.saved[1]) : DropoutMask{};
  }
  BatchNormColumns columns(const Run& run, const Scratch& s) const {
    return {mean(run), s.scale, run.params[1].f32(), s.mean_dz, s.slope};
  }

  RowParts parts(const Run& run) const { return {run.batch, cols_}; }
  int64_t chunks(const Run& run) const { return parts(run).chunks(); }
  template <class F>
  void each_chunk(const Run& run, F&& body) const {
    parts(run).each(run.pool, kernels_.ns, body);
  }
  template <class F>
  void for_columns(const Run& run, F&& body) const {
    parts(run).each_columns(run.pool, body);
  }

  // Of all chunks from those of each (Chan, Golub & LeVeque 1979).
  void batch_statistics(const Run& run, const Scratch& s, Range columns) const {
    const int64_t n = chunks(run), width = columns.end - columns.begin;
    double sum[RowParts::kColumns] = {}, squares[RowParts::kColumns] = {};
    for (int64_t i = 0; i < n; ++i) {
      const float* means = s.first(i) + columns.begin;
      const double weight = rows_in(run, i) / static_cast<double>(run.batch);
      for (int64_t k = 0; k < width; ++k) sum[k] += weight * means[k];
    }
    for (int64_t i = 0; i < n; ++i) {
      const float *means = s.first(i) + columns.begin, *own = s.second(i) + columns.begin;
      const double rows = rows_in(run, i);
      for (int64_t k = 0; k < width; ++k) squares[k] += own[k] + rows * (means[k] - sum[k]) * (means[k] - sum[k]);
    }
    const auto batch = static_cast<double>(run.batch);
    for (int64_t k = 0; k < width; ++k) {
      const int64_t c = columns.begin + k;
      mean(run)[c] = static_cast<float>(sum[k]);
      r(run)[c] = static_cast<float>(1 / std::sqrt(squares[k] / batch + eps_));
      move(run.params[2].f32()[c], sum[k]);
      if (run.batch > 1) move(run.params[3].f32()[c], squares[k] / (batch - 1));
    }
  }

  double rows_in(const Run& run, int64_t chunk) const {
    const Range rows = parts(run).rows(chunk);
    return static_cast<double>(rows.end - rows.begin);
  }
  void move(float& running, double value) const {
    running = static_cast<float>((1 - momentum_) * running + momentum_ * value);
  }

  void running_statistics(const Run& run, Range columns) const {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      mean(run)[c] = run.params[2].f32()[c];
      r(run)[c] = run.packed[c];
    }
  }

  void set_columns(const Run& run, const Scratch& s, Range columns) const {
    for (int64_t c = columns.begin; c < columns.end; ++c) s.scale[c] = run.params[0].f32()[c] * r(run)[c];
  }

  void sum_gradients(const Run& run, const Scratch& s, Range columns) const {
    const int64_t n = chunks(run), width = columns.end - columns.begin;
    double first[RowParts::kColumns] = {}, second[RowParts::kColumns] = {};
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < width; ++k) {
        first[k] += s.first(i)[columns.begin + k];
        second[k] += s.second(i)[columns.begin + k];
      }
    // Statistics that do not depend on the batch send no gradient back.
    const double share = n && run.training ? 1 / static_cast<double>(run.batch) : 0;
    for (int64_t k = 0; k < width; ++k) {
      const int64_t c = columns.begin + k;
      const double dweight = n ? second[k] * r(run)[c] : 0;
      if (run.dparams[0]) run.dparams[0].f32()[c] = static_cast<float>(dweight);
      if (run.dparams[1]) run.dparams[1].f32()[c] = static_cast<float>(first[k]);
      s.mean_dz[c] = static_cast<float>(share * first[k]);
      s.slope[c] = static_cast<float>(share * dweight * r(run)[c]);
    }
  }

  const BatchNormKernels& kernels_;
  const DropoutOption dropout_;
  int64_t cols_;
  double eps_, momentum_;
  Activation activation_;
};

}  // namespace

std::unique_ptr<Op> make_batch_norm(const MakeArgs& args) { return std::make_unique<BatchNorm>(args); }

}  // namespace dlrm
