#include "ops/layer_norm/layer_norm.h"

#include <cmath>

#include "base/error.h"
#include "base/isa.h"
#include "ops/registry.h"
#include "ops/row_parts.h"

namespace dlrm {
namespace {

const VariantTable<LayerNormKernels> kVariants = {{
    &layer_norm_scalar,
    DLRM_X86(&layer_norm_avx2),
    DLRM_X86(&layer_norm_avx512),
}};

class LayerNorm : public Op {
 public:
  explicit LayerNorm(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), dropout_(args, "dropout") {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    const char* name = args.name.c_str();
    if (cols_ < 1) fail(Code::shape, "[layer_norm] %s: input 0: expected at least 1 column, received 0", name);
    const double eps = args.attrs.number(args.op, "eps", 1e-5), groups = args.attrs.number(args.op, "groups", 1);
    if (!(eps > 0)) fail(Code::argument, "[layer_norm] %s: eps: expected a number > 0, received %g", name, eps);
    if (!(groups >= 1 && groups <= 0x1p31 && groups == std::floor(groups)))
      fail(Code::argument, "[layer_norm] %s: groups: expected an integer >= 1, received %g", name, groups);
    eps_ = static_cast<float>(eps);
    groups_ = static_cast<int64_t>(groups);
    if (cols_ % groups_)
      fail(Code::shape, "[layer_norm] %s: input 0: expected a multiple of groups = %lld columns, received %lld", name,
           static_cast<long long>(groups_), static_cast<long long>(cols_));
    affine_ = !args.attrs.flag(args.op, "variance_only", false);
    activation_ = activation_attr(args, "activation", "none");
    const Init init = args.attrs.init(args.op, {Init::ones});
    outputs = {{kPerExample, cols_}};
    saved = {{kPerExample, 2 * groups_}};
    if (dropout_.drops()) saved.push_back(DropoutOption::saved(cols_));
    if (affine_) params = {{args.name + ".weight", {cols_}, init}, {args.name + ".bias", {cols_}, {}}};
    backward_reads_outputs = activation_ == Activation::sigmoid || activation_ == Activation::tanh;
  }

  void forward(const Run& run) const override {
    const LayerNormForward a{run.out[0], run.saved[0], run.in[0].view, weight(run), bias(run), groups_, eps_, activation_, mask(run)};
    RowParts(run.batch, cols_).each(run.pool, kernels_.ns, [&](int64_t, Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    const LayerNormBackward a{run.din[0], run.dout[0], run.in[0].view, run.saved[0], run.out[0], weight(run), bias(run),
                              groups_,    activation_, mask(run)};
    auto* parts = static_cast<float*>(run.scratch);
    const RowParts chunks(run.batch, cols_);
    chunks.each(run.pool, 2 * kernels_.ns, [&](int64_t i, Range rows) {
      float* own = parts + 2 * i * cols_;
      kernels_.backward(a, rows, own, own + cols_);
    });
    if (affine_) chunks.add_up(run.pool, parts, {run.dparams[0], run.dparams[1]});
  }

  size_t scratch_bytes(const Run& run) const override {
    return affine_ ? static_cast<size_t>(2 * RowParts(run.batch, cols_).chunks() * cols_) * sizeof(float) : 0;
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{14 * n, 12 * n} : Cost{8 * n, 8 * n};
  }

 private:
  const float* weight(const Run& run) const { return affine_ ? run.params[0].f32() : nullptr; }
  const float* bias(const Run& run) const { return affine_ ? run.params[1].f32() : nullptr; }
  DropoutMask mask(const Run& run) const { return dropout_.drops() ? dropout_.mask(run, run.saved[1]) : DropoutMask{}; }

  const LayerNormKernels& kernels_;
  const DropoutOption dropout_;
  int64_t cols_, groups_;
  float eps_;
  bool affine_;
  Activation activation_;
};

}  // namespace

std::unique_ptr<Op> make_layer_norm(const MakeArgs& args) { return std::make_unique<LayerNorm>(args); }

}  // namespace dlrm
