#include "ops/sigmoid/sigmoid.h"

#include <algorithm>

#include "base/error.h"
#include "base/isa.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<SigmoidKernels> kVariants = {{
    &sigmoid_scalar,
    DLRM_X86(&sigmoid_avx2),
    DLRM_X86(&sigmoid_avx512),
}};

constexpr int64_t kElementsPerChunk = 1024;

class Sigmoid : public Op {
 public:
  explicit Sigmoid(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<SigmoidCuda>(args)) {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    const double threshold = args.attrs.number(args.op, "threshold", 0);
    if (!(threshold >= 0 && threshold < 1))
      fail(Code::argument, "[sigmoid] threshold: expected a number in [0, 1), received %g", threshold);
    threshold_ = static_cast<float>(threshold);
    outputs = {{kPerExample, cols_}};
    backward_reads_inputs = false;
  }

  void forward(const Run& run) const override {
    const SigmoidForward a{run.out[0], run.in[0].view, threshold_};
    if (cuda_) return cuda_->forward(a, run.stream);
    each_chunk(run, kernels_.forward_ns, [&](Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    const SigmoidBackward a{run.din[0], run.dout[0], run.out[0], threshold_};
    if (cuda_) return cuda_->backward(a, run.stream);
    each_chunk(run, 1, [&](Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{3 * n, 12 * n} : Cost{10 * n, 8 * n};
  }

 private:
  template <class F>
  void each_chunk(const Run& run, double ns, F&& kernel) const {
    const int64_t elements = run.batch * cols_, chunks = std::min(run.batch, elements / kElementsPerChunk + 1);
    for_chunks(run.pool, chunks, ns * static_cast<double>(elements),
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const SigmoidKernels& kernels_;
  const SigmoidCuda* const cuda_;
  int64_t cols_;
  float threshold_;
};

}  // namespace

std::unique_ptr<Op> make_sigmoid(const MakeArgs& args) { return std::make_unique<Sigmoid>(args); }

}  // namespace dlrm
