#include "ops/mul/mul.h"

#include "base/isa.h"
#include "ops/elementwise.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<MulKernels> kVariants = {{
    &mul_scalar,
    DLRM_X86(&mul_avx2),
    DLRM_X86(&mul_avx512),
}};

constexpr double kNsPerElement = 0.3;

class Mul : public Op {
 public:
  explicit Mul(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<MulCuda>(args)) {
    args.expect_inputs(2);
    cols_ = args.matrix(0).cols;
    args.matrix(1, cols_);
    outputs = {{kPerExample, cols_}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    if (cuda_) return cuda_->multiply(run.out[0], run.in[0].view, run.in[1].view, run.stream);
    each_row_chunk(run, cols_, kNsPerElement,
                   [&](Range rows) { kernels_.multiply(run.out[0], run.in[0].view, run.in[1].view, rows); });
  }

  void backward(const Run& run) const override {
    for (int i = 0; cuda_ && i < 2; ++i)
      if (run.din[i]) cuda_->multiply(run.din[i], run.dout[0], run.in[1 - i].view, run.stream);
    if (cuda_) return;
    each_row_chunk(run, cols_, 2 * kNsPerElement, [&](Range rows) {
      for (int i = 0; i < 2; ++i)
        if (run.din[i]) kernels_.multiply(run.din[i], run.dout[0], run.in[1 - i].view, rows);
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{2 * n, 20 * n} : Cost{n, 12 * n};
  }

 private:
  const MulKernels& kernels_;
  const MulCuda* const cuda_;
  int64_t cols_;
};

}  // namespace

std::unique_ptr<Op> make_mul(const MakeArgs& args) { return std::make_unique<Mul>(args); }

}  // namespace dlrm
