// The ops that have CUDA kernels, and the checks. A new one adds its include and its line.
#include "cuda/kernels.h"

#include <cstring>

#include "cuda/checks.h"
#include "ops/add/add.h"
#include "ops/bce_loss/bce_loss.h"
#include "ops/concat/concat.h"
#include "ops/dense_update/dense_update.h"
#include "ops/embedding_bag/embedding_bag.h"
#include "ops/embedding_update/embedding_update.h"
#include "ops/exp/exp.h"
#include "ops/interaction_dot/interaction_dot.h"
#include "ops/mlp/cuda.h"
#include "ops/mse_loss/mse_loss.h"
#include "ops/mul/mul.h"
#include "ops/sigmoid/sigmoid.h"
#include "ops/slice/slice.h"
#include "ops/sqrt/sqrt.h"

namespace dlrm::cuda {
namespace {

struct Entry {
  const char* op;
  const void* kernels;
};

const Entry kEntries[] = {
    {"add", &add_cuda},
    {"bce_loss", &bce_loss_cuda},
    {"checks", &checks_cuda},
    {"concat", &concat_cuda},
    {"dense_update", &dense_update_cuda},
    {"embedding_bag", &embedding_bag_cuda},
    {"embedding_update", &embedding_update_cuda},
    {"exp", &exp_cuda},
    {"interaction_dot", &interaction_dot_cuda},
    {"mlp", &mlp_cuda},
    {"mse_loss", &mse_loss_cuda},
    {"mul", &mul_cuda},
    {"sigmoid", &sigmoid_cuda},
    {"slice", &concat_cuda},
    {"sqrt", &sqrt_cuda},
};

}  // namespace

const void* kernels_of(const char* op) {
  for (const Entry& entry : kEntries)
    if (!strcmp(entry.op, op)) return entry.kernels;
  return nullptr;
}

}  // namespace dlrm::cuda
