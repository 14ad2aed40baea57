#include "ops/add/add.h"

#include "base/error.h"
#include "base/isa.h"
#include "ops/elementwise.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<AddKernels> kVariants = {{
    &add_scalar,
    DLRM_X86(&add_avx2),
    DLRM_X86(&add_avx512),
}};

constexpr double kNsPerElement = 0.3;

class Add : public Op {
 public:
  explicit Add(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<AddCuda>(args)), inputs_(args.inputs.size()) {
    if (!inputs_) fail(Code::shape, "[add] %s: expected at least one input, received none", args.name.c_str());
    cols_ = args.matrix(0).cols;
    for (size_t i = 1; i < inputs_; ++i) args.matrix(i, cols_);
    outputs = {{kPerExample, cols_}};
    aliases = {{0, 0, 0, 0, false, true}};
    backward_reads_inputs = backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const View& out = run.out[0];
    if (cuda_) {
      std::vector<View> in;
      for (size_t i = 0; i < inputs_; ++i) in.push_back(run.in[i].view);
      return cuda_->sum(out, in.data(), static_cast<int64_t>(inputs_), run.stream);
    }
    const auto in = [&](size_t i) -> const View& { return run.in[i].view; };
    each_row_chunk(run, cols_, kNsPerElement * static_cast<double>(inputs_), [&](Range rows) {
      if (inputs_ == 1) return kernels_.copy(out, in(0), rows);
      kernels_.add(out, in(0), in(1), rows);
      for (size_t i = 2; i < inputs_; ++i) kernels_.accumulate(out, in(i), rows);
    });
  }

  void backward(const Run& run) const override {
    for (size_t i = 0; cuda_ && i < inputs_; ++i)
      if (run.din[i] && run.din[i].data != run.dout[0].data) cuda_->copy(run.din[i], run.dout[0], run.stream);
    if (cuda_) return;
    each_row_chunk(run, cols_, kNsPerElement * static_cast<double>(inputs_), [&](Range rows) {
      for (size_t i = 0; i < inputs_; ++i)
        if (run.din[i] && run.din[i].data != run.dout[0].data) kernels_.copy(run.din[i], run.dout[0], rows);
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double n = static_cast<double>(run.batch * cols_), inputs = static_cast<double>(inputs_);
    return {backward ? 0 : (inputs - 1) * n, 4 * (inputs + 1) * n};
  }

 private:
  const AddKernels& kernels_;
  const AddCuda* const cuda_;
  size_t inputs_;
  int64_t cols_;
};

}  // namespace

std::unique_ptr<Op> make_add(const MakeArgs& args) { return std::make_unique<Add>(args); }

}  // namespace dlrm
