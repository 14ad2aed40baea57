// A rule over n consecutive weights. Included once per ISA after simd_*.h; brings the formulas with it.
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rowwise_adagrad.h"
#include "optim/sgd.h"

template <class Rule>
DLRM_INLINE void apply_span(const Rule& rule, float* w, const float* g, float* const* state, int64_t n) {
  Vec s[Rule::kStates + 1];
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) {
    for (int i = 0; i < Rule::kStates; ++i) s[i] = load(state[i] + k);
    store(w + k, rule(load(w + k), load(g + k), s));
    for (int i = 0; i < Rule::kStates; ++i) store(state[i] + k, s[i]);
  }
  const int rest = static_cast<int>(n - k);
  if (!rest) return;
  for (int i = 0; i < Rule::kStates; ++i) s[i] = load_n(state[i] + k, rest);
  store_n(w + k, rule(load_n(w + k, rest), load_n(g + k, rest), s), rest);
  for (int i = 0; i < Rule::kStates; ++i) store_n(state[i] + k, s[i], rest);
}
