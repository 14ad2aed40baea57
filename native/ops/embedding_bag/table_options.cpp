#include "ops/embedding_bag/table_options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace dlrm {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;

long long ll(int64_t n) { return static_cast<long long>(n); }

Pooling pooling_from(const MakeArgs& args, const char* attr, const std::string& mode) {
  if (mode == "sum") return Pooling::sum;
  if (mode == "mean") return Pooling::mean;
  if (mode == "max") return Pooling::max;
  fail(Code::argument, "[%s] %s: expected sum, mean or max, received \"%s\"", args.op, attr, mode.c_str());
}

// Which bag each column reads.
std::vector<int64_t> read_columns(const MakeArgs& args) {
  const int64_t bags = args.bags(0).tables;
  std::vector<int64_t> columns = args.attrs.sizes(args.op, "columns");
  if (columns.empty())
    for (int64_t c = 0; c < bags; ++c) columns.push_back(c);
  std::vector<bool> seen(static_cast<size_t>(bags));
  for (const int64_t c : columns) {
    if (c >= bags)
      fail(Code::argument, "[%s] columns: expected numbers below %lld, the number of bags, received %lld", args.op, ll(bags),
           ll(c));
    if (seen[static_cast<size_t>(c)]) fail(Code::argument, "[%s] columns: %lld is there twice", args.op, ll(c));
    seen[static_cast<size_t>(c)] = true;
  }
  return columns;
}

// Which table each column looks up: 0, 1, ... without a gap.
std::vector<int64_t> read_tables(const MakeArgs& args, size_t columns, size_t tables) {
  std::vector<int64_t> of = args.attrs.sizes(args.op, "tables");
  if (of.empty()) {
    if (tables != columns)
      fail(Code::shape, "[%s] rows: expected one number for each of the %zu columns, received %zu", args.op, columns, tables);
    for (size_t c = 0; c < columns; ++c) of.push_back(static_cast<int64_t>(c));
  }
  if (of.size() != columns)
    fail(Code::shape, "[%s] tables: expected one number for each of the %zu columns, received %zu", args.op, columns, of.size());
  std::vector<bool> used(tables);
  for (const int64_t t : of) {
    if (t >= static_cast<int64_t>(tables))
      fail(Code::argument, "[%s] tables: expected numbers below %zu, the length of rows, received %lld", args.op, tables, ll(t));
    used[static_cast<size_t>(t)] = true;
  }
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused != used.end())
    fail(Code::argument, "[%s] tables: table %lld has no column", args.op, ll(unused - used.begin()));
  return of;
}

std::vector<int64_t> read_widths(const MakeArgs& args, size_t tables, int64_t width) {
  std::vector<double> widths = args.attrs.numbers(args.op, "widths");
  if (widths.empty()) widths.assign(tables, args.attrs.number(args.op, "width", static_cast<double>(width)));
  else if (args.attrs.number(args.op, "width", 0) != 0)
    fail(Code::argument, "[%s] widths: expected width or widths, received both", args.op);
  if (widths.size() != tables)
    fail(Code::shape, "[%s] widths: expected one number for each of the %zu tables, received %zu", args.op, tables, widths.size());
  std::vector<int64_t> sizes;
  for (const double w : widths) {
    if (!(w >= 1 && w <= kMaxWidth && w == std::floor(w)))
      fail(Code::argument, "[%s] width: expected an integer from 1 to %lld, received %g", args.op, ll(kMaxWidth), w);
    sizes.push_back(static_cast<int64_t>(w));
  }
  return sizes;
}

std::vector<Pooling> read_modes(const MakeArgs& args, size_t columns) {
  const std::string mode = args.attrs.text(args.op, "mode", "");
  const std::vector<std::string> modes = args.attrs.texts(args.op, "modes");
  if (modes.empty()) return std::vector<Pooling>(columns, pooling_from(args, "mode", mode.empty() ? "sum" : mode));
  if (!mode.empty()) fail(Code::argument, "[%s] modes: expected mode or modes, received both", args.op);
  if (modes.size() != columns)
    fail(Code::shape, "[%s] modes: expected one for each of the %zu columns, received %zu", args.op, columns, modes.size());
  std::vector<Pooling> poolings;
  for (const std::string& name : modes) poolings.push_back(pooling_from(args, "modes", name));
  return poolings;
}

}  // namespace

bool TableOptions::any(Pooling pooling) const {
  return std::any_of(columns.begin(), columns.end(), [&](const TableColumn& c) { return c.pooling == pooling; });
}

int64_t TableOptions::lookups(const Bags& bags) const {
  int64_t total = 0;
  for (const TableColumn& column : columns) total += bags.lookups(column.bag);
  return total;
}

std::vector<int64_t> TableOptions::bag_rows(int64_t bags) const {
  std::vector<int64_t> of(static_cast<size_t>(bags));
  for (const TableColumn& column : columns) of[static_cast<size_t>(column.bag)] = rows[static_cast<size_t>(column.table)];
  return of;
}

TableOptions table_options(const MakeArgs& args, int64_t width) {
  TableOptions options;
  options.rows = args.attrs.sizes(args.op, "rows");
  for (size_t t = 0; t < options.rows.size(); ++t)
    if (options.rows[t] < 1 || options.rows[t] > INT32_MAX)
      fail(Code::argument, "[%s] rows: expected 1 to 2147483647, received %lld for table %zu", args.op, ll(options.rows[t]), t);
  const std::vector<int64_t> bags = read_columns(args);
  const std::vector<int64_t> tables = read_tables(args, bags.size(), options.rows.size());
  const std::vector<Pooling> modes = read_modes(args, bags.size());
  options.widths = read_widths(args, options.rows.size(), width);
  for (size_t c = 0; c < bags.size(); ++c) {
    const int64_t width = options.widths[static_cast<size_t>(tables[c])];
    options.columns.push_back({bags[c], tables[c], width, modes[c], options.cols, options.positions_cols});
    options.cols += width;
    if (modes[c] == Pooling::max) options.positions_cols += width;
  }
  return options;
}

}  // namespace dlrm
