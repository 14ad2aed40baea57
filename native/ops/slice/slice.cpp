#include "ops/slice/slice.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/isa.h"
#include "ops/elementwise.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<SliceKernels> kVariants = {{
    &concat_scalar,
    DLRM_X86(&concat_avx2),
    DLRM_X86(&concat_avx512),
}};

constexpr double kNsPerElement = 0.4;

int64_t column_attr(const MakeArgs& args, const char* attr, int64_t least, int64_t most) {
  const double value = args.attrs.number(args.op, attr, -1);
  if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most) && value == std::floor(value)))
    fail(Code::argument, "[slice] %s: %s: expected an integer from %lld to %lld, received %g", args.name.c_str(), attr,
         static_cast<long long>(least), static_cast<long long>(most), value);
  return static_cast<int64_t>(value);
}

class Slice : public Op {
 public:
  explicit Slice(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<SliceCuda>(args)) {
    args.expect_inputs(1);
    const int64_t cols = args.matrix(0).cols;
    if (cols < 1) fail(Code::shape, "[slice] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    start_ = column_attr(args, "start", 0, cols - 1);
    length_ = column_attr(args, "length", 1, cols - start_);
    outputs = {{kPerExample, length_}};
    aliases = {{0, 0, start_, 0, true, false}};
    backward_reads_inputs = backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const View from = columns(run.in[0].view);
    if (run.out[0].data == from.data) return;
    if (cuda_) {
      const ColumnCopy copy{run.out[0], from};
      return cuda_->copy(&copy, 1, run.batch, run.stream);
    }
    each_row_chunk(run, length_, kNsPerElement, [&](Range rows) { kernels_.copy(run.out[0], from, rows); });
  }

  void backward(const Run& run) const override {
    const View& dx = run.din[0];
    if (!dx) return;
    const int64_t behind = start_ + length_;
    if (cuda_) {
      const ColumnCopy copies[] = {{columns(dx, 0, start_), {}}, {columns(dx), run.dout[0]}, {columns(dx, behind, dx.cols - behind), {}}};
      return cuda_->copy(copies, 3, run.batch, run.stream);
    }
    each_row_chunk(run, dx.cols, kNsPerElement, [&](Range rows) {
      kernels_.copy(columns(dx), run.dout[0], rows);
      for (int64_t b = rows.begin; b < rows.end; ++b) {
        memset(dx.row(b), 0, static_cast<size_t>(start_) * sizeof(float));
        memset(dx.row(b) + behind, 0, static_cast<size_t>(dx.cols - behind) * sizeof(float));
      }
    });
  }

  Cost cost(const Run& run, bool backward) const override {
    const double cols = static_cast<double>(backward ? length_ + run.in[0].view.cols : 2 * length_);
    return {0, 4 * static_cast<double>(run.batch) * cols};
  }

 private:
  View columns(const View& view) const { return columns(view, start_, length_); }
  static View columns(View view, int64_t start, int64_t length) {
    view.data = view.f32() + start;
    view.cols = length;
    return view;
  }

  const SliceKernels& kernels_;
  const SliceCuda* const cuda_;
  int64_t start_, length_;
};

}  // namespace

std::unique_ptr<Op> make_slice(const MakeArgs& args) { return std::make_unique<Slice>(args); }

}  // namespace dlrm
