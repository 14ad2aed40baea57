#include "ops/concat/concat.h"

#include "base/error.h"
#include "base/isa.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<ConcatKernels> kVariants = {{
    &concat_scalar,
    DLRM_X86(&concat_avx2),
    DLRM_X86(&concat_avx512),
}};

constexpr int64_t kRowsPerChunk = 64;
constexpr double kNsPerByte = 0.1, kNsPerCopy = 5;

class Concat : public Op {
 public:
  explicit Concat(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<ConcatCuda>(args)), inputs_(args.inputs.size()) {
    if (!inputs_) fail(Code::shape, "[concat] %s: expected at least one input, received none", args.name.c_str());
    for (size_t i = 0; i < inputs_; ++i) {
      aliases.push_back({static_cast<int>(i), 0, 0, cols_});
      cols_ += args.matrix(i).cols;
    }
    outputs = {{kPerExample, cols_}};
    backward_reads_inputs = backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    if (cuda_) return launch(run, false);
    each_chunk(run, [&](Range rows) {
      View to = run.out[0];
      for (size_t i = 0; i < inputs_; ++i) {
        to.cols = run.in[i].view.cols;
        if (to.data != run.in[i].view.data) kernels_.copy(to, run.in[i].view, rows);
        to.data = to.f32() + to.cols;
      }
    });
  }

  void backward(const Run& run) const override {
    if (cuda_) return launch(run, true);
    each_chunk(run, [&](Range rows) {
      View from = run.dout[0];
      for (size_t i = 0; i < inputs_; ++i) {
        from.cols = run.in[i].view.cols;
        if (run.din[i] && run.din[i].data != from.data) kernels_.copy(run.din[i], from, rows);
        from.data = from.f32() + from.cols;
      }
    });
  }

  Cost cost(const Run& run, bool) const override { return {0, 8.0 * static_cast<double>(run.batch * cols_)}; }

 private:
  void launch(const Run& run, bool backward) const {
    std::vector<ColumnCopy> copies;
    View whole = backward ? run.dout[0] : run.out[0];
    for (size_t i = 0; i < inputs_; ++i) {
      whole.cols = run.in[i].view.cols;
      if (!backward) copies.push_back({whole, run.in[i].view});
      if (backward && run.din[i]) copies.push_back({run.din[i], whole});
      whole.data = whole.f32() + whole.cols;
    }
    cuda_->copy(copies.data(), static_cast<int64_t>(copies.size()), run.batch, run.stream);
  }

  template <class F>
  void each_chunk(const Run& run, F&& kernel) const {
    const int64_t chunks = (run.batch + kRowsPerChunk - 1) / kRowsPerChunk;
    const double ns_per_row = 8 * kNsPerByte * static_cast<double>(cols_) + kNsPerCopy * static_cast<double>(inputs_);
    for_chunks(run.pool, chunks, ns_per_row * static_cast<double>(run.batch),
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const ConcatKernels& kernels_;
  const ConcatCuda* const cuda_;
  size_t inputs_;
  int64_t cols_ = 0;
};

}  // namespace

std::unique_ptr<Op> make_concat(const MakeArgs& args) { return std::make_unique<Concat>(args); }

}  // namespace dlrm
