// Which columns of bags an op reads and which tables they look up: the options that embedding_bag, embedding_update and
// linear_bag share.
//   columns  bag of input 0 that each column reads, all different; absent: all of them in order
//   tables   table of each column, columns of one table share it; absent: one each, in order
//   rows     R of each table
//   width    E of all tables, or widths, E of each
//   mode     sum, mean or max for all columns, or modes, one for each
#pragma once
#include "ops/embedding_bag/embedding_bag.h"
#include "ops/op.h"

namespace dlrm {

struct TableColumn {
  int64_t bag, table;
  int64_t width;  // of its table
  Pooling pooling;
  int64_t at;            // its first column in [B, sum of widths]
  int64_t positions_at;  // max: its first column in the positions, [B, sum of widths over max columns]
};

struct TableOptions {
  std::vector<int64_t> rows, widths;  // of each table
  std::vector<TableColumn> columns;
  int64_t cols = 0, positions_cols = 0;  // of the output, of the positions

  int64_t tables() const { return static_cast<int64_t>(rows.size()); }
  bool any(Pooling pooling) const;
  int64_t lookups(const Bags& bags) const;            // of all columns
  std::vector<int64_t> bag_rows(int64_t bags) const;  // Op::bag_rows
};

// Reads the options; `width`: if neither width nor widths is there, 0 if one must be. Throws ERR_SHAPE for lists of
// other lengths, ERR_ARGUMENT for a number or a mode that no table can have.
TableOptions table_options(const MakeArgs& args, int64_t width);

}  // namespace dlrm
