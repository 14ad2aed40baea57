#include "ops/interaction_dot/interaction_dot.h"

#include <cmath>

#include "base/error.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<InteractionDotKernels> kVariants = {{
    &interaction_dot_scalar,
    DLRM_X86(&interaction_dot_avx2),
    DLRM_X86(&interaction_dot_avx512),
}};

constexpr int64_t kRowsPerChunk = 32;

class InteractionDot : public Op {
 public:
  explicit InteractionDot(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    dense_ = args.inputs.size() != 1;
    args.expect_inputs(dense_ ? 2 : 1);
    const double width = args.attrs.number(args.op, "width", dense_ ? static_cast<double>(args.matrix(0).cols) : 0);
    const int64_t cols = args.matrix(dense_).cols;
    if (!(width >= 1 && width <= 0x1p31 && width == std::floor(width)))
      fail(Code::argument, "[interaction_dot] width: expected an integer >= 1, received %g", width);
    width_ = static_cast<int64_t>(width);
    if (dense_) args.matrix(0, width_);
    if (cols < 1 || cols % width_)
      fail(Code::shape, "[interaction_dot] %s: the embeddings' %lld columns are no multiple of the width %lld",
           args.name.c_str(), static_cast<long long>(cols), static_cast<long long>(width_));
    vectors_ = cols / width_ + dense_;
    itself_ = args.attrs.flag(args.op, "itself", false);
    pairs_ = vectors_ * (vectors_ - 1) / 2 + (itself_ ? vectors_ : 0);
    outputs = {{kPerExample, (dense_ ? width_ : 0) + pairs_}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const InteractionDotForward a{run.out[0], dense(run.in), embeddings(run.in), vectors_, width_, itself_};
    each_chunk(run, 1, [&](Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    const InteractionDotBackward a{dense_ ? run.din[0] : View{}, run.din[dense_], run.dout[0], dense(run.in),
                                   embeddings(run.in),           vectors_,        width_,      itself_};
    if (a.dx || a.de) each_chunk(run, 2, [&](Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), out = static_cast<double>(outputs[0].cols);
    const double inputs = static_cast<double>(vectors_ * width_), flops = 2.0 * static_cast<double>(pairs_ * width_);
    return backward ? Cost{b * 2 * flops, b * 4 * (2 * inputs + out)} : Cost{b * flops, b * 4 * (inputs + out)};
  }

 private:
  View dense(const Value* in) const { return dense_ ? in[0].view : View{}; }
  const View& embeddings(const Value* in) const { return in[dense_].view; }

  template <class F>
  void each_chunk(const Run& run, double passes, F&& kernel) const {
    const int64_t chunks = (run.batch + kRowsPerChunk - 1) / kRowsPerChunk;
    const double ns_per_pair = 0.4 + 0.03 * static_cast<double>(width_);
    for_chunks(run.pool, chunks, static_cast<double>(run.batch * pairs_) * passes * ns_per_pair,
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const InteractionDotKernels& kernels_;
  bool dense_;  // is there an x?
  int64_t width_, vectors_, pairs_;
  bool itself_;
};

}  // namespace

std::unique_ptr<Op> make_interaction_dot(const MakeArgs& args) { return std::make_unique<InteractionDot>(args); }

}  // namespace dlrm
