// The factories that registry.cpp lists. A new op adds its line here and there.
#pragma once
#include "ops/op.h"

#if defined(__x86_64__)
#define DLRM_X86(kernels) kernels
#else
#define DLRM_X86(kernels) nullptr
#endif

namespace dlrm {

std::unique_ptr<Op> make_activation(const MakeArgs&);
std::unique_ptr<Op> make_add(const MakeArgs&);
std::unique_ptr<Op> make_batch_norm(const MakeArgs&);
std::unique_ptr<Op> make_bce_loss(const MakeArgs&);
std::unique_ptr<Op> make_cin(const MakeArgs&);
std::unique_ptr<Op> make_concat(const MakeArgs&);
std::unique_ptr<Op> make_cross(const MakeArgs&);
std::unique_ptr<Op> make_cross_v2(const MakeArgs&);
std::unique_ptr<Op> make_dense_update(const MakeArgs&);
std::unique_ptr<Op> make_dropout(const MakeArgs&);
std::unique_ptr<Op> make_embedding_bag(const MakeArgs&);
std::unique_ptr<Op> make_embedding_update(const MakeArgs&);
std::unique_ptr<Op> make_exp(const MakeArgs&);
std::unique_ptr<Op> make_ffm_pair(const MakeArgs&);
std::unique_ptr<Op> make_field_weighted_pair(const MakeArgs&);
std::unique_ptr<Op> make_fm_pair(const MakeArgs&);
std::unique_ptr<Op> make_interaction_dot(const MakeArgs&);
std::unique_ptr<Op> make_layer_norm(const MakeArgs&);
std::unique_ptr<Op> make_linear_bag(const MakeArgs&);
std::unique_ptr<Op> make_mlp(const MakeArgs&);
std::unique_ptr<Op> make_mse_loss(const MakeArgs&);
std::unique_ptr<Op> make_mul(const MakeArgs&);
std::unique_ptr<Op> make_numeric_embedding(const MakeArgs&);
std::unique_ptr<Op> make_qr_embedding_bag(const MakeArgs&);
std::unique_ptr<Op> make_sigmoid(const MakeArgs&);
std::unique_ptr<Op> make_slice(const MakeArgs&);
std::unique_ptr<Op> make_sqrt(const MakeArgs&);

}  // namespace dlrm
