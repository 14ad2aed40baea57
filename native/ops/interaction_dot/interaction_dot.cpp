#include "ops/interaction_dot/interaction_dot.h"

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
    args.expect_inputs(2);
    width_ = args.matrix(0).cols;
    const int64_t cols = args.matrix(1).cols;
    if (width_ < 1 || cols < 1 || cols % width_)
      fail(Code::shape, "[interaction_dot] %s: the embeddings' %lld columns are no multiple of the dense vector's %lld",
           args.name.c_str(), static_cast<long long>(cols), static_cast<long long>(width_));
    tables_ = cols / width_;
    itself_ = args.attrs.flag(args.op, "itself", false);
    const int64_t vectors = tables_ + 1;
    pairs_ = vectors * (vectors - 1) / 2 + (itself_ ? vectors : 0);
    outputs = {{kPerExample, width_ + pairs_}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const InteractionDotForward a{run.out[0], run.in[0].view, run.in[1].view, tables_, width_, itself_};
    each_chunk(run, 0.5, [&](Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    const InteractionDotBackward a{run.din[0],        run.din[1], run.dout[0], run.in[0].view,
                                   run.in[1].view, tables_,    width_,      itself_};
    each_chunk(run, 1.0, [&](Range rows) { kernels_.backward(a, rows); });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double b = static_cast<double>(run.batch), inputs = static_cast<double>((tables_ + 1) * width_);
    const double out = static_cast<double>(width_ + pairs_), flops = 2.0 * pairs_ * width_;
    return backward ? Cost{b * 2 * flops, b * 4 * (2 * inputs + out)} : Cost{b * flops, b * 4 * (inputs + out)};
  }

 private:
  template <class F>
  void each_chunk(const Run& run, double ns_per_pair, F&& kernel) const {
    const int64_t chunks = (run.batch + kRowsPerChunk - 1) / kRowsPerChunk;
    const double ns = static_cast<double>(run.batch * pairs_) * (1 + ns_per_pair * static_cast<double>(width_) / 8);
    for_chunks(run.pool, chunks, ns, [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i)); });
  }

  const InteractionDotKernels& kernels_;
  int64_t width_, tables_, pairs_;
  bool itself_;
};

}  // namespace

std::unique_ptr<Op> make_interaction_dot(const MakeArgs& args) { return std::make_unique<InteractionDot>(args); }

}  // namespace dlrm
