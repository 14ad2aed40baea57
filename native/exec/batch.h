// One mini-batch in native memory: a private copy, so that nothing JavaScript does to its buffers can reach a running step.
#pragma once
#include <string>
#include <vector>

#include "exec/derive.h"
#include "ops/op.h"

namespace dlrm {

// What a graph takes in; all sizes are known when the model is built. Columns of bags are numbered raw ones first, then derived.
struct InputSpec {
  int64_t dense = 0;                     // D
  std::vector<int64_t> rows;             // R of each raw column
  std::vector<std::string> table_names;  // for messages; as long as rows
  std::vector<DerivedColumn> derived = {};

  size_t columns() const { return rows.size() + derived.size(); }
  int64_t rows_of(size_t column) const { return column < rows.size() ? rows[column] : derived[column - rows.size()].rows; }
};

// What the kernels read of a batch, in the memory of the device that they run on.
struct BatchViews {
  View dense, labels, weights;  // [B,D], [B,1], [B,1]; labels null if there are none
  const Bags* bags = nullptr;
};

struct Batch {
  int64_t size = 0;  // B
  std::vector<float> dense;
  std::vector<float> labels;   // empty, or [B]
  std::vector<float> weights;  // of the examples: empty (all 1), or [B]
  struct Table {
    std::vector<int32_t> offsets, indices;
    std::vector<float> weights;
    bool weighted = false;
  };
  std::vector<Table> tables;

  // Throws ERR_SHAPE, ERR_OFFSETS, ERR_INDEX or ERR_VALUE unless this fits `inputs`; after that no kernel can leave its buffers.
  void check(const InputSpec& inputs, bool need_labels, Pool* pool = nullptr) const;
  // Points bags() at the raw columns. Call after the last change.
  void seal();
  // Of a batch that was checked: computes the derived columns, which bags() has behind the raw ones from then on.
  // Allocates only when the batch is larger than those before it. Throws ERR_SHAPE for a cross of more than 2^31 - 1 pairs.
  void derive(const InputSpec& inputs, Pool* pool);
  const Bags& bags() const { return bags_; }
  // [B]: the weights of the examples, 1 where none were given. After derive().
  const float* example_weights() const { return weights.empty() ? ones_.data() : weights.data(); }
  BatchViews views(int64_t dense_cols) const;  // after derive()
  bool is_one_hot(size_t column) const;  // every bag has one index

 private:
  struct Derived {
    std::vector<int32_t> offsets, indices;
    std::vector<float> weights;
  };
  void point_at_raw(size_t columns);
  void lay_out(const InputSpec& inputs, size_t d);
  void lay_out_cross(size_t a, size_t b, Derived& to, size_t column);
  void fill(const InputSpec& inputs, size_t d, Range examples);
  void fill_cross(const InputSpec& inputs, size_t d, Range examples);

  Bags bags_;
  std::vector<const int32_t*> offsets_, indices_;
  std::vector<const float*> weights_;
  std::vector<int64_t> counts_;
  std::vector<Derived> derived_;
  std::vector<int32_t> one_each_;  // 0, 1, ..., B
  std::vector<float> ones_;
  std::vector<char> one_hot_;      // per column: every bag has one index
};

}  // namespace dlrm
