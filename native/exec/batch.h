// One mini-batch in native memory: a private copy, so that nothing JavaScript does to its buffers can reach a running step.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace dlrm {

// What a graph takes in; all sizes are known when the model is built.
struct InputSpec {
  int64_t dense = 0;                     // D
  std::vector<int64_t> rows;             // R of each table
  std::vector<std::string> table_names;  // for messages; as long as rows
};

struct Batch {
  int64_t size = 0;  // B
  std::vector<float> dense;
  std::vector<float> labels;  // empty, or [B]
  struct Table {
    std::vector<int32_t> offsets, indices;
    std::vector<float> weights;
    bool weighted = false;
  };
  std::vector<Table> tables;

  // Throws ERR_SHAPE, ERR_OFFSETS, ERR_INDEX or ERR_VALUE unless this fits `inputs`; after that no kernel can leave its buffers.
  void check(const InputSpec& inputs, bool need_labels) const;
  // Points bags() at the tables; call after the last change.
  void seal();
  const Bags& bags() const { return bags_; }

 private:
  Bags bags_;
  std::vector<const int32_t*> offsets_, indices_;
  std::vector<const float*> weights_;
};

}  // namespace dlrm
