#include "ops/registry.h"

namespace dlrm {

const std::vector<OpDef>& registry() {
  static const std::vector<OpDef> ops = {
      {"interaction_dot", make_interaction_dot},
      {"mlp", make_mlp},
  };
  return ops;
}

}  // namespace dlrm
