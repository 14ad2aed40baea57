#include "ops/mse_loss/mse_loss.h"

#include "base/isa.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<MseLossKernels> kVariants = {{
    &mse_loss_scalar,
    DLRM_X86(&mse_loss_avx2),
    DLRM_X86(&mse_loss_avx512),
}};

constexpr int64_t kRowsPerChunk = 4096;
constexpr double kNsPerRow = 1;

class MseLoss : public Op {
 public:
  explicit MseLoss(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<MseLossCuda>(args)) {
    weighted_ = args.inputs.size() == 3;
    args.expect_inputs(weighted_ ? 3 : 2);
    for (size_t i = 0; i < args.inputs.size(); ++i) args.matrix(i, 1);
    outputs = {{1, 1}};
    backward_reads_outputs = false;
  }

  size_t scratch_bytes(const Run& run) const override {
    return cuda_ ? cuda_->scratch_bytes(run.batch) : static_cast<size_t>(chunks(run)) * sizeof(double);
  }

  void forward(const Run& run) const override {
    if (cuda_)
      return cuda_->forward(run.in[0].view, run.in[1].view, weights(run), run.out[0].f32(), run.batch, run.scratch, run.stream);
    auto* sums = static_cast<double*>(run.scratch);
    each_chunk(run, [&](int64_t i, Range rows) { sums[i] = kernels_.forward(run.in[0].view, run.in[1].view, weights(run), rows); });
    double sum = 0;
    for (int64_t i = 0; i < chunks(run); ++i) sum += sums[i];
    *run.out[0].f32() = static_cast<float>(sum / static_cast<double>(run.batch));
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    MseLossBackward a{run.din[0], run.in[0].view, run.in[1].view, weights(run), 0};
    if (cuda_) return cuda_->backward(a, run.dout[0].f32(), run.batch, run.stream);
    a.scale = 2 * *run.dout[0].f32() / static_cast<float>(run.batch);
    each_chunk(run, [&](int64_t, Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch);
    return backward ? Cost{2 * b, (weighted_ ? 16 : 12) * b} : Cost{3 * b, (weighted_ ? 12 : 8) * b};
  }

 private:
  View weights(const Run& run) const { return weighted_ ? run.in[2].view : View{}; }
  static int64_t chunks(const Run& run) { return (run.batch + kRowsPerChunk - 1) / kRowsPerChunk; }
  template <class F>
  static void each_chunk(const Run& run, F&& kernel) {
    const int64_t n = chunks(run);
    for_chunks(run.pool, n, kNsPerRow * static_cast<double>(run.batch),
               [&](int64_t i) { kernel(i, chunk_range(run.batch, n, i)); });
  }

  const MseLossKernels& kernels_;
  const MseLossCuda* const cuda_;
  bool weighted_;
};

}  // namespace

std::unique_ptr<Op> make_mse_loss(const MakeArgs& args) { return std::make_unique<MseLoss>(args); }

}  // namespace dlrm
