// Which tile, and how many parts of the depth: the least time by a model of an H100. The numbers that make it, not measured
// yet, only choose among right answers; they do not ask the device, so that results depend on shapes alone.
#include <algorithm>

#include "ops/mlp/cuda.h"

namespace dlrm {
namespace {

using Product = MlpCudaProduct;

constexpr int64_t kMultiprocessors = 132;
constexpr double kProductsPerNs[] = {390, 2350};  // of a multiprocessor: float32 as three tf32, bf16
constexpr double kL2PerNs = 50, kStoredPerNs = 25;  // bytes of a multiprocessor
constexpr double kMemoryPerNs = 3000;               // bytes of the chip
constexpr double kStageNs = 250;                    // of a block that is alone: latencies
constexpr double kLaunchNs = 3000;                  // of the second kernel
constexpr int64_t kMostSplits = 64;

struct Shape {
  MlpTile tile;
  int64_t rows, cols, resident[2];  // blocks at once on a multiprocessor; 0: no such tile
  double share;                     // of the products' rate: the smaller a warp's tile, the more it loads for each
};
constexpr Shape kShapes[] = {
    {MlpTile::t64x64, 64, 64, {3, 3}, 0.7},
    {MlpTile::t128x128, 128, 128, {1, 2}, 0.9},
    {MlpTile::t256x128, 256, 128, {0, 1}, 0.9},
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `resident` blocks on each multiprocessor, each with so many stages.
double wave_ns(const Shape& shape, bool bf16, int64_t resident, int64_t stages, double bytes_per_result) {
  const double area = static_cast<double>(shape.rows * shape.cols), n = static_cast<double>(resident);
  const double products = area * static_cast<double>(mlp_stage_depth(bf16)) / kProductsPerNs[bf16] / shape.share;
  const double reads = static_cast<double>((shape.rows + shape.cols) * 128) / kL2PerNs;
  const double stage = std::max({kStageNs, n * products, n * reads});
  // What one block stores, another one's products hide.
  return stage * static_cast<double>(stages + 2) + area * bytes_per_result / kStoredPerNs;
}

double time_ns(const Shape& shape, Product::Pass pass, bool bf16, int64_t rows, int64_t cols, int64_t depth, const MlpPlan& plan) {
  const int64_t tiles = ceil_div(rows, shape.rows) * ceil_div(cols, shape.cols), at_once = kMultiprocessors * shape.resident[bf16];
  const int64_t blocks = tiles * plan.splits, rest = blocks % at_once;
  const int64_t stages = ceil_div(std::min(depth, plan.split_depth), mlp_stage_depth(bf16));
  const double bytes = bf16 && pass != Product::weight_gradient && plan.splits == 1 ? 2 : 4;
  double ns = static_cast<double>(blocks / at_once) * wave_ns(shape, bf16, shape.resident[bf16], stages, bytes);
  if (rest) ns += wave_ns(shape, bf16, ceil_div(rest, kMultiprocessors), stages, bytes);
  if (plan.splits > 1) ns += kLaunchNs + 8 * static_cast<double>(mlp_parts_floats(plan, rows, cols)) / kMemoryPerNs;
  return ns;
}

}  // namespace

MlpPlan mlp_plan(MlpTile tile, int64_t splits, bool bf16, int64_t depth) {
  const int64_t stage = mlp_stage_depth(bf16), stages = std::max<int64_t>(1, ceil_div(depth, stage));
  const int64_t each = ceil_div(stages, std::max<int64_t>(1, splits));
  return {tile, static_cast<int32_t>(ceil_div(stages, each)), each * stage};
}

MlpPlan mlp_plan(Product::Pass pass, bool bf16, int64_t rows, int64_t cols, int64_t depth) {
  if (pass == Product::forward && rows <= kFewRows) return mlp_plan(MlpTile::few, 1, bf16, depth);
  MlpPlan best;
  double least = 0;
  for (const Shape& shape : kShapes) {
    if (!shape.resident[bf16]) continue;
    for (int64_t splits = 1; splits <= kMostSplits; splits += splits < 8 ? 1 : splits / 4) {
      const MlpPlan plan = mlp_plan(shape.tile, splits, bf16, depth);
      if (mlp_parts_floats(plan, rows, cols) > kMlpMostParts) break;
      const double ns = time_ns(shape, pass, bf16, rows, cols, depth, plan);
      if (least == 0 || ns < least) {
        least = ns;
        best = plan;
      }
    }
  }
  return best;
}

int64_t mlp_most_parts(bool bf16, int64_t rows, int64_t cols, int64_t depth) {
  const MlpPlan all{MlpTile::t64x64, static_cast<int32_t>(std::min(kMostSplits, ceil_div(depth, mlp_stage_depth(bf16)))), 0};
  return std::min(kMlpMostParts, mlp_parts_floats(all, rows, cols));
}

}  // namespace dlrm
