#include <cstdint>

#include "base/target.h"
#include "ops/dense_update/dense_update.h"

namespace dlrm::scalar {
namespace {
#include "base/simd_scalar.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/ftrl.h"
#include "optim/sgd.h"

template <class Rule>
void update_range(const DenseUpdateArgs& a, Range range) {
  const Rule rule(a.rule);
  for (int64_t k = range.begin; k < range.end; ++k) {
    float state[Rule::kStates + 1];
    for (int i = 0; i < Rule::kStates; ++i) state[i] = a.state[i][k];
    a.w[k] = rule(a.w[k], a.rule.scale * a.g[k], state);
    for (int i = 0; i < Rule::kStates; ++i) a.state[i][k] = state[i];
  }
}

void update(const DenseUpdateArgs& a, Range range) {
  switch (a.rule.kind) {
    case RuleKind::sgd: return update_range<Sgd>(a, range);
    case RuleKind::momentum: return update_range<Momentum>(a, range);
    case RuleKind::adam: return update_range<Adam>(a, range);
    case RuleKind::ftrl: return update_range<Ftrl>(a, range);
    default: return update_range<Adagrad>(a, range);
  }
}

double squares(const float* g, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(g[k]) * g[k];
  return sum;
}

}  // namespace
}  // namespace dlrm::scalar

namespace dlrm {
const DenseUpdateKernels dense_update_scalar = {scalar::update, scalar::squares};
}
