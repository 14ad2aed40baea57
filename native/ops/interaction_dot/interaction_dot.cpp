#include "ops/interaction_dot/interaction_dot.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/op.h"
#include "ops/precision.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<InteractionDotKernels> kVariants = {{
    &interaction_dot_scalar,
    DLRM_X86(&interaction_dot_avx2),
    DLRM_X86(&interaction_dot_avx512),
}};

constexpr int64_t kRowsPerChunk = 32;
constexpr int64_t kRowsRounded = 4;  // at once: they stay in the nearest cache

class InteractionDot : public Op {
 public:
  explicit InteractionDot(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<InteractionDotCuda>(args)) {
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
    bf16_ = precision_attr(args) == Precision::bf16;
    if (cuda_ && std::max(outputs[0].cols, cols + width_) > INT32_MAX)
      fail(Code::shape, "[interaction_dot] %s: expected less than 2^31 columns on a GPU", args.name.c_str());
    if (bf16_ && !cuda_) rounding_ = &rounding_kernels(args.isa);
  }

  void forward(const Run& run) const override {
    const InteractionDotForward a{run.out[0], dense(run.in), embeddings(run.in), vectors_, width_, itself_};
    if (cuda_) return cuda_->forward(a, run.batch, bf16_, run.stream);
    each_chunk(run, 1, [&](Range rows, float* slot) {
      if (!rounding_) return kernels_.forward(a, rows);
      each_piece(rows, [&](Range piece) {
        const InteractionDotForward rounded{rows_of(a.out, piece), round(a.x, piece, slot), round(a.e, piece, slot + dense_width()),
                                            vectors_, width_, itself_};
        kernels_.forward(rounded, {0, piece.end - piece.begin});
        copy_dense(a.x, rows_of(a.out, piece), piece);
      });
    });
  }

  void backward(const Run& run) const override {
    const InteractionDotBackward a{dense_ ? run.din[0] : View{}, run.din[dense_], run.dout[0], dense(run.in),
                                   embeddings(run.in),           vectors_,        width_,      itself_};
    if (!a.dx && !a.de) return;
    if (cuda_) return cuda_->backward(a, run.batch, bf16_, run.stream);
    each_chunk(run, 2, [&](Range rows, float* slot) {
      if (!rounding_) return kernels_.backward(a, rows);
      each_piece(rows, [&](Range piece) {
        const View dout = round(a.dout, piece, slot + vectors_ * width_);
        copy_dense(a.dout, dout, piece);
        const InteractionDotBackward rounded{rows_of(a.dx, piece), rows_of(a.de, piece), dout, round(a.x, piece, slot),
                                             round(a.e, piece, slot + dense_width()), vectors_, width_, itself_};
        kernels_.backward(rounded, {0, piece.end - piece.begin});
      });
    });
  }

  size_t scratch_bytes(const Run& run) const override {
    return rounding_ ? static_cast<size_t>(chunks(run) * slot_floats()) * sizeof(float) : 0;
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), out = static_cast<double>(outputs[0].cols);
    const double inputs = static_cast<double>(vectors_ * width_), flops = 2.0 * static_cast<double>(pairs_ * width_);
    return backward ? Cost{b * 2 * flops, b * 4 * (2 * inputs + out)} : Cost{b * flops, b * 4 * (inputs + out)};
  }

 private:
  View dense(const Value* in) const { return dense_ ? in[0].view : View{}; }
  const View& embeddings(const Value* in) const { return in[dense_].view; }

  int64_t dense_width() const { return dense_ ? width_ : 0; }
  static int64_t chunks(const Run& run) { return (run.batch + kRowsPerChunk - 1) / kRowsPerChunk; }

  // A slot of scratch holds some rows, rounded: x and e, then dout.
  int64_t slot_columns() const { return vectors_ * width_ + outputs[0].cols; }
  int64_t slot_floats() const { return kRowsRounded * slot_columns(); }

  template <class F>
  static void each_piece(Range rows, F&& body) {
    for (int64_t b = rows.begin; b < rows.end; b += kRowsRounded) body(Range{b, std::min(rows.end, b + kRowsRounded)});
  }

  static View rows_of(View view, Range rows) {
    if (!view) return view;
    view.data = view.row(rows.begin);
    view.rows = rows.end - rows.begin;
    return view;
  }

  View round(const View& view, Range rows, float* to) const {
    if (!view) return view;
    for (int64_t b = rows.begin; b < rows.end; ++b)
      rounding_->round(view.row(b), to + (b - rows.begin) * slot_columns(), view.cols);
    return {to, DType::f32, rows.end - rows.begin, view.cols, slot_columns()};
  }

  // The columns of x, as they were.
  void copy_dense(const View& from, const View& to, Range rows) const {
    for (int64_t b = rows.begin; dense_ && b < rows.end; ++b) std::copy_n(from.row(b), width_, to.row(b - rows.begin));
  }

  template <class F>
  void each_chunk(const Run& run, double passes, F&& kernel) const {
    const int64_t chunks = this->chunks(run);
    const double ns_per_pair = 0.4 + 0.03 * static_cast<double>(width_);
    for_chunks(run.pool, chunks, static_cast<double>(run.batch * pairs_) * passes * ns_per_pair,
               [&](int64_t i) { kernel(chunk_range(run.batch, chunks, i), static_cast<float*>(run.scratch) + i * slot_floats()); });
  }

  const InteractionDotKernels& kernels_;
  const InteractionDotCuda* const cuda_;
  bool bf16_;
  const RoundingKernels* rounding_ = nullptr;  // of precision bf16 on the CPU
  bool dense_;  // is there an x?
  int64_t width_, vectors_, pairs_;
  bool itself_;
};

}  // namespace

std::unique_ptr<Op> make_interaction_dot(const MakeArgs& args) { return std::make_unique<InteractionDot>(args); }

}  // namespace dlrm
