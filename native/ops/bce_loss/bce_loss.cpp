#include "ops/bce_loss/bce_loss.h"

#include <cmath>

#include "base/error.h"
#include "base/isa.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<BceLossKernels> kVariants = {{
    &bce_loss_scalar,
    DLRM_X86(&bce_loss_avx2),
    DLRM_X86(&bce_loss_avx512),
}};

constexpr int64_t kRowsPerChunk = 512;

class BceLoss : public Op {
 public:
  explicit BceLoss(const MakeArgs& args)
      : saturates_(args.attrs.flag(args.op, "saturates", false)),
        kernels_(saturates_ ? bce_loss_scalar : kVariants.pick(args.isa)),
        cuda_(cuda_kernels<BceLossCuda>(args)) {
    weighted_ = args.inputs.size() == 3;
    args.expect_inputs(weighted_ ? 3 : 2);
    for (size_t i = 0; i < args.inputs.size(); ++i) args.matrix(i, 1);
    const double threshold = args.attrs.number(args.op, "threshold", 0);
    if (!(threshold >= 0 && threshold < 1))
      fail(Code::argument, "[bce_loss] threshold: expected a number in [0, 1), received %g", threshold);
    threshold_ = static_cast<float>(threshold);
    const std::vector<double> weights = args.attrs.numbers(args.op, "class_weights");
    if (!weights.empty()) {
      if (weights.size() != 2) fail(Code::argument, "[bce_loss] class_weights: expected 2 numbers, received %zu", weights.size());
      for (int i = 0; i < 2; ++i) {
        if (!(weights[i] >= 0 && std::isfinite(weights[i])))
          fail(Code::argument, "[bce_loss] class_weights: expected finite numbers >= 0, received %g", weights[i]);
        class_weights_[i] = static_cast<float>(weights[i]);
      }
    }
    outputs = {{1, 1}};
    saved = {{kPerExample, 1}};
    backward_reads_inputs = backward_reads_outputs = false;
  }

  size_t scratch_bytes(const Run& run) const override {
    return cuda_ ? cuda_->scratch_bytes(run.batch) : static_cast<size_t>(chunks(run)) * sizeof(double);
  }

  void forward(const Run& run) const override {
    const BceLossForward a{run.saved[0], run.in[0].view, run.in[1].view, weighted_ ? run.in[2].view : View{}, threshold_, {class_weights_[0], class_weights_[1]}, saturates_};
    if (cuda_) return cuda_->forward(a, run.out[0].f32(), run.batch, run.scratch, run.stream);
    auto* sums = static_cast<double*>(run.scratch);
    const int64_t n = chunks(run);
    for_chunks(run.pool, n, kernels_.forward_ns * static_cast<double>(run.batch),
               [&](int64_t i) { sums[i] = kernels_.forward(a, chunk_range(run.batch, n, i)); });
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += sums[i];
    *run.out[0].f32() = static_cast<float>(sum / static_cast<double>(run.batch));
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    if (cuda_) return cuda_->backward(run.din[0], run.saved[0], run.dout[0].f32(), run.batch, run.stream);
    const float scale = *run.dout[0].f32() / static_cast<float>(run.batch);
    kernels_.backward(run.din[0], run.saved[0], scale, {0, run.batch});
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch);
    return backward ? Cost{b, 8 * b} : Cost{20 * b, (weighted_ ? 16 : 12) * b};
  }

 private:
  static int64_t chunks(const Run& run) { return (run.batch + kRowsPerChunk - 1) / kRowsPerChunk; }

  const bool saturates_;
  const BceLossKernels& kernels_;
  const BceLossCuda* const cuda_;
  bool weighted_;
  float threshold_, class_weights_[2] = {1, 1};
};

}  // namespace

std::unique_ptr<Op> make_bce_loss(const MakeArgs& args) { return std::make_unique<BceLoss>(args); }

}  // namespace dlrm
