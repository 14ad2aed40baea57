#include "ops/fields.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace dlrm {

int64_t width_attr(const MakeArgs& args) {
  const double width = args.attrs.number(args.op, "width", 0);
  if (!(width >= 1 && width <= 0x1p24 && width == std::floor(width)))
    fail(Code::argument, "[%s] width: expected an integer from 1 to 16777216, received %g", args.op, width);
  return static_cast<int64_t>(width);
}

Fields fields_of(const MakeArgs& args, int64_t least) {
  args.expect_inputs(1);
  const int64_t cols = args.matrix(0).cols, width = width_attr(args);
  if (cols % width || cols / width < least || cols >= (int64_t{1} << 31))
    fail(Code::shape, "[%s] %s: input 0: expected F x %lld columns with F >= %lld, received %lld", args.op,
         args.name.c_str(), static_cast<long long>(width), static_cast<long long>(least), static_cast<long long>(cols));
  return {cols / width, width};
}

int64_t row_chunks(int64_t batch, int64_t cols) {
  constexpr int64_t kFloats = 4096;
  const int64_t rows = std::max<int64_t>(1, kFloats / std::max<int64_t>(cols, 16));
  return (batch + rows - 1) / rows;
}

}  // namespace dlrm
