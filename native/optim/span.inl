// A rule over n consecutive weights. Included once per ISA after simd_*.h; brings the formulas with it.
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rowwise_adagrad.h"
#include "optim/sgd.h"

// One vector's new weights; s holds the states, read at k and not yet stored.
template <class Formula>
DLRM_INLINE Vec new_weights(const Formula& rule, const float* w, const float* g, float* const* state, int64_t k,
                            Vec* s) {
  for (int i = 0; i < Formula::kStates; ++i) s[i] = load(state[i] + k);
  return rule(load(w + k), load(g + k), s);
}

template <class Formula>
DLRM_INLINE void apply_short(const Formula& rule, float* w, const float* g, float* const* state, int n) {
  Vec s[Formula::kStates + 1];
  for (int i = 0; i < Formula::kStates; ++i) s[i] = load_n(state[i], n);
  store_n(w, rule(load_n(w, n), load_n(g, n), s), n);
  for (int i = 0; i < Formula::kStates; ++i) store_n(state[i], s[i], n);
}

// Where n is no multiple of the vector, the last one overlaps the one before it: both write the same numbers there,
// since the last one is computed before anything is stored. Masked stores cost several times as much on some processors.
template <class Formula>
DLRM_INLINE void apply_span(const Formula& rule, float* w, const float* g, float* const* state, int64_t n) {
  if (n < Vec::W) return apply_short(rule, w, g, state, static_cast<int>(n));
  Vec s[Formula::kStates + 1], last_state[Formula::kStates + 1];
  const int64_t last = n - Vec::W;
  const Vec last_weights = n % Vec::W ? new_weights(rule, w, g, state, last, last_state) : zero();
  for (int64_t k = 0; k <= last; k += Vec::W) {
    store(w + k, new_weights(rule, w, g, state, k, s));
    for (int i = 0; i < Formula::kStates; ++i) store(state[i] + k, s[i]);
  }
  if (n % Vec::W == 0) return;
  store(w + last, last_weights);
  for (int i = 0; i < Formula::kStates; ++i) store(state[i] + last, last_state[i]);
}
