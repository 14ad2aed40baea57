#include "ops/embedding_bag/table_options.h"

#include <cmath>

#include "base/error.h"

namespace dlrm {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;

Pooling pooling_from(const MakeArgs& args) {
  const std::string mode = args.attrs.text(args.op, "mode", "sum");
  if (mode == "sum") return Pooling::sum;
  if (mode == "mean") return Pooling::mean;
  if (mode == "max") return Pooling::max;
  fail(Code::argument, "[%s] mode: expected sum, mean or max, received \"%s\"", args.op, mode.c_str());
}

}  // namespace

TableOptions table_options(const MakeArgs& args, double width) {
  TableOptions options{args.attrs.sizes(args.op, "rows"), 0, pooling_from(args)};
  const int64_t tables = args.bags(0).tables;
  if (static_cast<int64_t>(options.rows.size()) != tables)
    fail(Code::shape, "[%s] rows: expected one number for each of the %lld tables of the bags, received %zu", args.op,
         static_cast<long long>(tables), options.rows.size());
  for (size_t t = 0; t < options.rows.size(); ++t)
    if (options.rows[t] < 1 || options.rows[t] > INT32_MAX)
      fail(Code::argument, "[%s] rows: expected 1 to 2147483647, received %lld for table %zu", args.op,
           static_cast<long long>(options.rows[t]), t);
  width = args.attrs.number(args.op, "width", width);
  if (!(width >= 1 && width <= kMaxWidth && width == std::floor(width)))
    fail(Code::argument, "[%s] width: expected an integer from 1 to %lld, received %g", args.op,
         static_cast<long long>(kMaxWidth), width);
  options.width = static_cast<int64_t>(width);
  return options;
}

}  // namespace dlrm
