// The options of mlp, and the op itself on a GPU.
#pragma once
#include "ops/fused_activation.h"

namespace dlrm {

struct MlpLayers {
  struct Layer {
    int64_t inputs, outputs;
    Activation activation;
  };
  std::vector<Layer> layers;
  bool bias = true;
  std::vector<ParamSpec> params;  // weight and, if there are any, bias of each layer

  // Throws ERR_ARGUMENT, ERR_SHAPE.
  explicit MlpLayers(const MakeArgs& args);
};

std::unique_ptr<Op> make_mlp_on_cuda(const MakeArgs& args);

}  // namespace dlrm
