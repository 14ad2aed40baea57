// Ops of one matrix, element by element, whose backward pass reads the output alone.
#pragma once
#include "ops/op.h"

namespace dlrm {

// Rows [range.begin, range.end) of the batch.
struct UnaryKernels {
  void (*forward)(const View& out, const View& x, Range);
  void (*backward)(const View& dx, const View& dout, const View& out, Range);
  double forward_ns;  // per element, about
};

struct UnaryCuda {
  void (*forward)(const View& out, const View& x, CudaStream);
  void (*backward)(const View& dx, const View& dout, const View& out, CudaStream);
};

// In [x [B,N]], out [[B,N]].
std::unique_ptr<Op> make_unary(const MakeArgs& args, const VariantTable<UnaryKernels>& variants);

}  // namespace dlrm
