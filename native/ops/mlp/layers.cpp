#include "ops/mlp/layers.h"

#include <cmath>

#include "base/error.h"

namespace dlrm {

constexpr int64_t kMaxWidth = 1 << 24;

MlpLayers::MlpLayers(const MakeArgs& args) {
  args.expect_inputs(1);
  int64_t inputs = args.matrix(0).cols;
  if (inputs < 1) fail(Code::shape, "[mlp] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
  const std::vector<int64_t> widths = args.attrs.sizes(args.op, "layers");
  if (widths.empty()) fail(Code::argument, "[mlp] %s: layers: expected at least one width", args.name.c_str());
  const Activation hidden = activation_attr(args, "activation", "relu"), last = activation_attr(args, "last", "relu");
  bias = args.attrs.flag(args.op, "bias", true);
  for (const int64_t width : widths) {
    if (width < 1 || width > kMaxWidth)
      fail(Code::argument, "[mlp] %s: layers: expected widths from 1 to %lld, received %lld", args.name.c_str(),
           static_cast<long long>(kMaxWidth), static_cast<long long>(width));
    const std::string prefix = args.name + "." + std::to_string(2 * layers.size());
    const double m = static_cast<double>(width), n = static_cast<double>(inputs);
    const Init weights = args.attrs.init(args.op, {Init::normal, 0, std::sqrt(2 / (m + n))});
    const Init biases = args.attrs.init(args.op, {Init::normal, 0, std::sqrt(1 / m)}, "bias_init");
    params.push_back({prefix + ".weight", {width, inputs}, weights});
    if (bias) params.push_back({prefix + ".bias", {width}, biases});
    layers.push_back({inputs, width, layers.size() + 1 < widths.size() ? hidden : last});
    inputs = width;
  }
}

}  // namespace dlrm
