#include "ops/sqrt/sqrt.h"

#include "base/isa.h"
#include "ops/elementwise.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<SqrtKernels> kVariants = {{
    &sqrt_scalar,
    DLRM_X86(&sqrt_avx2),
    DLRM_X86(&sqrt_avx512),
}};

class Sqrt : public Op {
 public:
  explicit Sqrt(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    outputs = {{kPerExample, cols_}};
    backward_reads_inputs = false;
  }

  void forward(const Run& run) const override {
    each_row_chunk(run, cols_, kernels_.forward_ns,
                   [&](Range rows) { kernels_.forward(run.out[0], run.in[0].view, rows); });
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    each_row_chunk(run, cols_, 0.3, [&](Range rows) { kernels_.backward(run.din[0], run.dout[0], run.out[0], rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{n, 12 * n} : Cost{8 * n, 8 * n};
  }

 private:
  const SqrtKernels& kernels_;
  int64_t cols_;
};

}  // namespace

std::unique_ptr<Op> make_sqrt(const MakeArgs& args) { return std::make_unique<Sqrt>(args); }

}  // namespace dlrm
