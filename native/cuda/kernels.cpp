// The ops that have CUDA kernels. A new one adds its include and its line.
#include "cuda/kernels.h"

#include <cstring>

#include "ops/bce_loss/bce_loss.h"
#include "ops/dense_update/dense_update.h"
#include "ops/interaction_dot/interaction_dot.h"

namespace dlrm::cuda {
namespace {

struct Entry {
  const char* op;
  const void* kernels;
};

const Entry kEntries[] = {
    {"bce_loss", &bce_loss_cuda},
    {"dense_update", &dense_update_cuda},
    {"interaction_dot", &interaction_dot_cuda},
};

}  // namespace

const void* kernels_of(const char* op) {
  for (const Entry& entry : kEntries)
    if (!strcmp(entry.op, op)) return entry.kernels;
  return nullptr;
}

}  // namespace dlrm::cuda
