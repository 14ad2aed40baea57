// Initial values of parameters.
#pragma once
#include "ops/op.h"

namespace dlrm {

// Fills `view` (the parameter's rows x cols, or 1 x n) as spec.init says. Element i is a pure function of
// (seed, stream, i), whatever the number of threads; `stream` tells the parameters of one model apart.
void init_parameter(const ParamSpec& spec, const View& view, uint64_t seed, uint64_t stream, Pool* pool = nullptr);

// rows x cols of the parameter's View: [n] is 1 x n.
inline int64_t param_rows(const ParamSpec& spec) { return spec.dims.size() == 2 ? spec.dims[0] : 1; }
inline int64_t param_cols(const ParamSpec& spec) { return spec.dims.back(); }

}  // namespace dlrm
