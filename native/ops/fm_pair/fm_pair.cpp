#include "ops/fm_pair/fm_pair.h"

#include "base/isa.h"
#include "ops/fields.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<FmPairKernels> kVariants = {{
    &fm_pair_scalar,
    DLRM_X86(&fm_pair_avx2),
    DLRM_X86(&fm_pair_avx512),
}};

class FmPair : public Op {
 public:
  explicit FmPair(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), fields_(fields_of(args, 1)) {
    vector_ = args.attrs.flag(args.op, "vector", false);
    outputs = {{kPerExample, vector_ ? fields_.width : 1}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const FmPairForward a{run.out[0], run.in[0].view, fields_.count, fields_.width, vector_};
    each_chunk(run, [&](Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    const FmPairBackward a{run.din[0], run.dout[0], run.in[0].view, fields_.count, fields_.width, vector_};
    each_chunk(run, [&](Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), cols = static_cast<double>(columns());
    const auto out = static_cast<double>(outputs[0].cols);
    return backward ? Cost{3 * b * cols, 4 * b * (2 * cols + out)} : Cost{3 * b * cols, 4 * b * (cols + out)};
  }

 private:
  int64_t columns() const { return fields_.count * fields_.width; }

  template <class F>
  void each_chunk(const Run& run, F&& kernel) const {
    const int64_t chunks = row_chunks(run.batch, columns());
    for_chunks(run.pool, chunks, kernels_.ns * static_cast<double>(run.batch * columns()),
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const FmPairKernels& kernels_;
  const Fields fields_;
  bool vector_;
};

}  // namespace

std::unique_ptr<Op> make_fm_pair(const MakeArgs& args) { return std::make_unique<FmPair>(args); }

}  // namespace dlrm
