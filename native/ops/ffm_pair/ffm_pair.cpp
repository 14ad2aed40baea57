#include "ops/ffm_pair/ffm_pair.h"

#include "base/error.h"
#include "base/isa.h"
#include "ops/fields.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<FfmPairKernels> kVariants = {{
    &ffm_pair_scalar,
    DLRM_X86(&ffm_pair_avx2),
    DLRM_X86(&ffm_pair_avx512),
}};

class FfmPair : public Op {
 public:
  explicit FfmPair(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    const Fields vectors = fields_of(args, 2);
    width_ = vectors.width;
    fields_ = 2;
    while (fields_ * (fields_ - 1) < vectors.count) ++fields_;
    if (fields_ * (fields_ - 1) != vectors.count)
      fail(Code::shape, "[ffm_pair] %s: input 0: expected F x (F - 1) vectors of %lld, received %lld vectors",
           args.name.c_str(), static_cast<long long>(width_), static_cast<long long>(vectors.count));
    outputs = {{kPerExample, 1}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const FfmPairForward a{run.out[0], run.in[0].view, fields_, width_};
    each_chunk(run, 1, [&](Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    if (!run.din[0]) return;
    const FfmPairBackward a{run.din[0], run.dout[0], run.in[0].view, fields_, width_};
    each_chunk(run, 2, [&](Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), cols = static_cast<double>(columns());
    return backward ? Cost{b * cols, 4 * b * (2 * cols + 1)} : Cost{b * cols, 4 * b * (cols + 1)};
  }

 private:
  int64_t columns() const { return fields_ * (fields_ - 1) * width_; }

  template <class F>
  void each_chunk(const Run& run, double passes, F&& kernel) const {
    const int64_t chunks = row_chunks(run.batch, columns());
    for_chunks(run.pool, chunks, passes * kernels_.ns * static_cast<double>(run.batch * columns()),
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const FfmPairKernels& kernels_;
  int64_t fields_, width_;
};

}  // namespace

std::unique_ptr<Op> make_ffm_pair(const MakeArgs& args) { return std::make_unique<FfmPair>(args); }

}  // namespace dlrm
