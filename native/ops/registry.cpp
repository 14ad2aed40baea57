#include "ops/registry.h"

namespace dlrm {

const std::vector<OpDef>& registry() {
  static const std::vector<OpDef> ops = {
      {"activation", make_activation},
      {"add", make_add},
      {"batch_norm", make_batch_norm},
      {"bce_loss", make_bce_loss},
      {"cin", make_cin},
      {"concat", make_concat},
      {"cross", make_cross},
      {"cross_v2", make_cross_v2},
      {"dense_update", make_dense_update},
      {"dropout", make_dropout},
      {"embedding_bag", make_embedding_bag},
      {"embedding_update", make_embedding_update},
      {"exp", make_exp},
      {"ffm_pair", make_ffm_pair},
      {"field_weighted_pair", make_field_weighted_pair},
      {"fm_pair", make_fm_pair},
      {"interaction_dot", make_interaction_dot},
      {"layer_norm", make_layer_norm},
      {"linear_bag", make_linear_bag},
      {"mlp", make_mlp},
      {"mse_loss", make_mse_loss},
      {"mul", make_mul},
      {"numeric_embedding", make_numeric_embedding},
      {"qr_embedding_bag", make_qr_embedding_bag},
      {"sigmoid", make_sigmoid},
      {"slice", make_slice},
      {"sqrt", make_sqrt},
  };
  return ops;
}

}  // namespace dlrm
