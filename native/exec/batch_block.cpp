#include "exec/batch_block.h"

namespace dlrm {

bool even_blocks(const Bags& bags, const RowBlocks& blocks) {
  constexpr int64_t kFew = 4096;  // lookups: less than waking the threads for each op costs
  const int64_t mean = bags.total_lookups() / blocks.count();
  for (int64_t i = 0; i < blocks.count(); ++i) {
    const Range rows = blocks.block(i);
    int64_t lookups = 0;
    for (int64_t t = 0; t < bags.tables; ++t) lookups += bags.offsets[t][rows.end] - bags.offsets[t][rows.begin];
    if (lookups > 2 * mean + kFew) return false;
  }
  return true;
}

const BatchViews& BatchBlock::cut(const BatchViews& whole, Range rows) {
  const auto matrix = [&](View view) {
    if (view) view.data = view.row(rows.begin);
    view.rows = rows.end - rows.begin;
    return view;
  };
  if (whole.bags) cut_bags(*whole.bags, rows);
  views_ = {matrix(whole.dense), matrix(whole.labels), matrix(whole.weights), whole.bags ? &bags_ : nullptr};
  return views_;
}

void BatchBlock::cut_bags(const Bags& whole, Range rows) {
  const auto tables = static_cast<size_t>(whole.tables), ends = static_cast<size_t>(rows.end - rows.begin + 1);
  offsets_.resize(tables * ends);
  offset_lists_.resize(tables);
  indices_.resize(tables);
  weights_.resize(tables);
  counts_.resize(tables);
  for (size_t t = 0; t < tables; ++t) {
    const int32_t* const from = whole.offsets[t] + rows.begin;
    int32_t* const to = offsets_.data() + t * ends;
    for (size_t i = 0; i < ends; ++i) to[i] = from[i] - from[0];
    offset_lists_[t] = to;
    indices_[t] = whole.indices[t] + from[0];
    weights_[t] = whole.weights && whole.weights[t] ? whole.weights[t] + from[0] : nullptr;
    counts_[t] = to[ends - 1];
  }
  bags_ = {whole.tables, offset_lists_.data(), indices_.data(), whole.weights ? weights_.data() : nullptr, counts_.data()};
}

}  // namespace dlrm
