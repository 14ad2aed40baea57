#include "ops/dropout/dropout.h"

#include <algorithm>

#include "base/isa.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<DropoutKernels> kVariants = {{
    &dropout_scalar,
    DLRM_X86(&dropout_avx2),
    DLRM_X86(&dropout_avx512),
}};

constexpr int64_t kElementsPerChunk = 4096;

class Dropout : public Op {
 public:
  explicit Dropout(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), rate_(args, "rate") {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    outputs = {{kPerExample, cols_}};
    saved = {DropoutOption::saved(cols_)};
    backward_reads_inputs = backward_reads_outputs = false;
    identity_in_prediction = true;
  }

  void forward(const Run& run) const override {
    move(run, run.in[0].view, run.out[0], kernels_.forward, kernels_.draw_ns);
  }

  void backward(const Run& run) const override {
    if (run.din[0]) move(run, run.dout[0], run.din[0], kernels_.backward, 0.3);
  }

  Cost cost(const Run& run, bool) const override {
    const double n = static_cast<double>(run.batch * cols_);
    return {n, 8 * n};
  }

 private:
  template <class F>
  void move(const Run& run, const View& from, const View& to, F kernel, double ns) const {
    const DropoutMask mask = rate_.mask(run, run.saved[0]);
    const int64_t elements = run.batch * cols_, chunks = std::min(run.batch, elements / kElementsPerChunk + 1);
    for_chunks(run.pool, chunks, ns * static_cast<double>(elements), [&](int64_t i) {
      const Range rows = chunk_range(run.batch, chunks, i);
      if (mask.bits) return kernel(from, mask, to, rows);
      for (int64_t b = rows.begin; b < rows.end; ++b) std::copy_n(from.row(b), cols_, to.row(b));
    });
  }

  const DropoutKernels& kernels_;
  const DropoutOption rate_;
  int64_t cols_;
};

}  // namespace

std::unique_ptr<Op> make_dropout(const MakeArgs& args) { return std::make_unique<Dropout>(args); }

}  // namespace dlrm
