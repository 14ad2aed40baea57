#include "ops/dropout/mask.h"

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace dlrm {
DropoutOption::DropoutOption(const MakeArgs& args, const char* attr)
    : rate_(args.attrs.number(args.op, attr, 0)), node_(name_hash(args.name)) {
  if (!(rate_ >= 0 && rate_ < 1))
    fail(Code::argument, "[%s] %s: %s: expected a number in [0, 1), received %g", args.op, args.name.c_str(), attr, rate_);
}

DropoutMask DropoutOption::mask(const Run& run, const View& bits) const {
  if (!run.training || !drops()) return {};
  const Philox::Block block = Philox{run.key}(node_);
  DropoutMask mask;
  mask.key = block.v[0] | static_cast<uint64_t>(block.v[1]) << 32;
  mask.step = static_cast<uint64_t>(run.step);
  mask.drop_below = static_cast<uint32_t>(std::lround(rate_ * 65536));
  mask.scale = static_cast<float>(1 / (1 - rate_));
  mask.bits = bits;
  return mask;
}

void dropout_row_bits(const DropoutMask& mask, int64_t row, int64_t cols) {
  uint8_t* bits = mask.row(row);
  const int64_t groups = dropout_groups(cols);
  for (int64_t g = 0; g < groups; ++g) {
    for (int h = 0; h < 8; ++h) bits[8 * g + h] = 0;
    for (int lane = 0; lane < 8; ++lane) {
      const Philox::Block block = Philox{mask.key}(static_cast<uint64_t>((row * groups + g) * 8 + lane), mask.step);
      for (int h = 0; h < 8; ++h) {
        const uint32_t half = block.v[h / 2] >> 16 * (h % 2) & 0xffff;
        if (half >= mask.drop_below) bits[8 * g + h] = static_cast<uint8_t>(bits[8 * g + h] | 1 << lane);
      }
    }
  }
}

}  // namespace dlrm
