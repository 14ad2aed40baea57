// A layer whose weights are mostly zero, compressed for prediction.
//   out[n] = f(bias[n] + sum of W[n,k] in[k] over the k with W[n,k] != 0, in ascending order)
// That is the order of the dense product too, and a zero term changes no sum: results are bitwise those of the dense
// product, for one example and for many, as long as weights and inputs are finite.
//
// Many examples: a panel [C][P] holds P examples (MlpKernels::strip) of C columns, one example a lane. Outputs are taken
// in groups of kGroup with about as many weights each, so that their sums hide each other's latency; group g has steps
// [group_starts[g], group_starts[g+1]), each one weight and one input of every output (weight 0 where one has no more).
// One example: the lanes are outputs, taken in bundles of kTogether times `lanes`, whose sums run side by side. A step of
// `lanes` outputs has a window of as many inputs, from the least that any of them still wants; every output that has its
// next weight in the window takes it, the others wait (weight 0).
#pragma once
#include <cstdint>

#include "base/view.h"

namespace dlrm {

enum class Activation : uint8_t;

struct MlpSparse {
  static constexpr int64_t kGroup = 4, kTogether = 4, kMostLanes = 16;

  int64_t inputs, outputs, groups, bundles;
  const float* bias;             // [pad(outputs)]
  const int32_t* group_starts;   // [groups + 1]
  const int32_t* group_outputs;  // [groups][kGroup]; numbers from `outputs` on are no outputs
  const float* group_weights;    // [steps][kGroup]
  const uint16_t* group_inputs;  // [steps][kGroup]

  const int32_t* bundle_starts;   // [bundles + 1]
  const int32_t* bundle_outputs;  // [bundles][kTogether][lanes]; as group_outputs
  const float* bundle_weights;    // [steps][kTogether][lanes]
  const uint8_t* bundle_picks;    // [steps][kTogether][lanes]: which input of the window
  const uint16_t* windows;        // [steps][kTogether]: the first input
  Activation activation;
};

// Rows of a matrix, or of strips: element (i, c) at data[i * row + c / P * strip + c % P].
struct MlpRows {
  float* data;
  int64_t row, strip, rows, cols;
};

struct MlpSparseKernels {
  int64_t lanes;  // 0: example() takes the groups
  void (*load_panel)(const MlpRows& from, float* panel);
  void (*store_panel)(const float* panel, const MlpRows& to);
  // Both panels have room for sparse_rows() rows. rows: examples in the panel.
  void (*panel)(const MlpSparse&, const float* in, float* out, int64_t rows);
  // in [inputs], out with room for sparse_rows() numbers.
  void (*example)(const MlpSparse&, const float* in, float* out);
};

// Room of a vector or panel of n columns: groups and bundles write, and windows read, behind the last.
constexpr int64_t sparse_rows(int64_t n) {
  return (n + 15) / 16 * 16 + MlpSparse::kTogether * MlpSparse::kMostLanes;
}

// Do at most `limit` weights differ from zero?
bool few_nonzero(const View& weight, int64_t limit);

// Compresses `weight` [N,K] into `memory`, for compressed() to find again. False, and nothing of use in memory, if it
// does not fit into `capacity` floats, is too wide for 16-bit numbers or has a weight that is not finite.
bool compress(const View& weight, int64_t lanes, float* memory, int64_t capacity);
MlpSparse compressed(int64_t inputs, int64_t outputs, int64_t lanes, const float* memory);

}  // namespace dlrm
