#include "ops/unary.h"

#include "ops/elementwise.h"

namespace dlrm {
namespace {

constexpr double kBackwardNs = 0.3;

class Unary : public Op {
 public:
  Unary(const MakeArgs& args, const UnaryKernels& kernels) : kernels_(kernels), cuda_(cuda_kernels<UnaryCuda>(args)) {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    outputs = {{kPerExample, cols_}};
    backward_reads_inputs = false;
  }

  void forward(const Run& run) const override {
    if (cuda_) return cuda_->forward(run.out[0], run.in[0].view, run.stream);
    each_row_chunk(run, cols_, kernels_.forward_ns,
                   [&](Range rows) { kernels_.forward(run.out[0], run.in[0].view, rows); });
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    if (cuda_) return cuda_->backward(run.din[0], run.dout[0], run.out[0], run.stream);
    each_row_chunk(run, cols_, kBackwardNs,
                   [&](Range rows) { kernels_.backward(run.din[0], run.dout[0], run.out[0], rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return backward ? Cost{n, 12 * n} : Cost{8 * n, 8 * n};
  }

 private:
  const UnaryKernels& kernels_;
  const UnaryCuda* const cuda_;
  int64_t cols_;
};

}  // namespace

std::unique_ptr<Op> make_unary(const MakeArgs& args, const VariantTable<UnaryKernels>& variants) {
  return std::make_unique<Unary>(args, variants.pick(args.isa));
}

}  // namespace dlrm
