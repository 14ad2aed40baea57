// A layer whose weights are mostly zero, compressed for prediction.
//   out[n] = f(bias[n] + sum of W[n,k] in[k] over the k with W[n,k] != 0, in ascending order)
// That is the order of the dense product too, and a zero term changes no sum: results are bitwise those of the dense
// product, for one example and for many, as long as weights and inputs are finite.
//
// Many examples: a panel [C][P] holds P examples (MlpKernels::strip) of C columns, one example a lane. Outputs are taken
// in groups of kGroup with about as many weights each, so that their sums hide each other's latency; group g has steps
// [group_starts[g], group_starts[g+1]), each one weight and one input of every output (weight 0 where one has no more).
// One example: column k, entries [column_starts[k], column_starts[k+1]), adds its input to the outputs that weigh it; the
// columns of inputs that are 0 (behind relu half of them or more, and pruned embeddings) are not even read.
#pragma once
#include <cstdint>

#include "base/view.h"

namespace dlrm {

enum class Activation : uint8_t;

struct MlpSparse {
  static constexpr int64_t kGroup = 4;
  static constexpr int64_t kTogether = 4;    // columns are filled up to multiples of so many entries
  static constexpr int64_t kFewOutputs = 8;  // fewer have no columns: their sums would wait for each other in memory

  int64_t inputs, outputs, groups;
  bool has_columns;
  const float* bias;             // [pad(outputs)]
  const int32_t* group_starts;   // [groups + 1]
  const int32_t* group_outputs;  // [groups][kGroup]; numbers from `outputs` on are no outputs
  const float* group_weights;    // [steps][kGroup]
  const uint16_t* group_inputs;  // [steps][kGroup]

  const int32_t* column_starts;    // [inputs + 1]
  const float* column_weights;     // [entries]
  const uint16_t* column_outputs;  // [entries]; numbers from `outputs` on are no outputs
  Activation activation;
};

// Rows of a matrix, or of strips: element (i, c) at data[i * row + c / P * strip + c % P].
struct MlpRows {
  float* data;
  int64_t row, strip, rows, cols;
};

struct MlpSparseKernels {
  void (*load_panel)(const MlpRows& from, float* panel);
  void (*store_panel)(const float* panel, const MlpRows& to);
  // Both panels have room for sparse_rows() rows. rows: examples in the panel.
  void (*panel)(const MlpSparse&, const float* in, float* out, int64_t rows);
  // in [inputs], out with room for sparse_rows() numbers.
  void (*example)(const MlpSparse&, const float* in, float* out);
};

// Room of a vector or panel of n columns: what are no outputs is written behind the last.
constexpr int64_t sparse_rows(int64_t n) { return (n + 15) / 16 * 16 + 16; }

// Do at most `limit` weights differ from zero?
bool few_nonzero(const View& weight, int64_t limit);

// Compresses `weight` [N,K] into `memory`, for compressed() to find again. False, and nothing of use in memory, if it
// does not fit into `capacity` floats, is too wide for 16-bit numbers or has a weight that is not finite.
bool compress(const View& weight, float* memory, int64_t capacity);
MlpSparse compressed(int64_t inputs, int64_t outputs, const float* memory);

}  // namespace dlrm
