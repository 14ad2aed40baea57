#include "ops/activation/activation.h"

#include "base/error.h"
#include "base/isa.h"
#include "ops/op.h"
#include "ops/registry.h"
#include "ops/row_parts.h"

namespace dlrm {
namespace {

const VariantTable<ActivationKernels> kVariants = {{
    &activation_scalar,
    DLRM_X86(&activation_avx2),
    DLRM_X86(&activation_avx512),
}};

ActivationKind read_kind(const MakeArgs& args) {
  const std::string kind = args.attrs.text(args.op, "kind", "relu");
  if (kind == "relu") return ActivationKind::relu;
  if (kind == "prelu") return ActivationKind::prelu;
  if (kind == "gelu") return ActivationKind::gelu;
  if (kind == "sigmoid") return ActivationKind::sigmoid;
  if (kind == "tanh") return ActivationKind::tanh;
  fail(Code::argument, "[activation] %s: kind: expected relu, prelu, gelu, sigmoid or tanh, received \"%s\"", args.name.c_str(),
       kind.c_str());
}

class ActivationOp : public Op {
 public:
  explicit ActivationOp(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), kind_(read_kind(args)) {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    if (cols_ < 1) fail(Code::shape, "[activation] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    learned_ = kind_ == ActivationKind::prelu;
    const Init init = args.attrs.init(args.op, {Init::uniform, 0.25, 0.25});
    if (learned_) params = {{args.name + ".weight", {cols_}, init}};
    outputs = {{kPerExample, cols_}};
    backward_reads_inputs = learned_ || kind_ == ActivationKind::gelu;
    backward_reads_outputs = !backward_reads_inputs;
  }

  void forward(const Run& run) const override {
    const ActivationForward a{run.out[0], run.in[0].view, learned_ ? run.params[0].f32() : nullptr};
    RowParts(run.batch, cols_).each(run.pool, kernels_.ns, [&](int64_t, Range rows) { kernels_.forward(kind_, a, rows); });
  }

  void backward(const Run& run) const override {
    const View& source = backward_reads_inputs ? run.in[0].view : run.out[0];
    const ActivationBackward a{run.din[0], run.dout[0], source, learned_ ? run.params[0].f32() : nullptr};
    auto* parts = static_cast<float*>(run.scratch);
    const RowParts chunks(run.batch, cols_);
    chunks.each(run.pool, kernels_.ns, [&](int64_t i, Range rows) {
      kernels_.backward(kind_, a, rows, learned_ ? parts + i * cols_ : nullptr);
    });
    if (learned_) chunks.add_up(run.pool, parts, {run.dparams[0]});
  }

  size_t scratch_bytes(const Run& run) const override {
    return learned_ ? static_cast<size_t>(RowParts(run.batch, cols_).chunks() * cols_) * sizeof(float) : 0;
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return {(kind_ == ActivationKind::relu || learned_ ? 2 : 20) * n, (backward ? 12 : 8) * n};
  }

 private:
  const ActivationKernels& kernels_;
  const ActivationKind kind_;
  int64_t cols_;
  bool learned_;
};

}  // namespace

std::unique_ptr<Op> make_activation(const MakeArgs& args) { return std::make_unique<ActivationOp>(args); }

}  // namespace dlrm
