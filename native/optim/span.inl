// A rule over n consecutive weights. Included once per ISA after simd_*.h; brings the formulas with it.
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/ftrl.h"
#include "optim/rowwise_adagrad.h"
#include "optim/sgd.h"

// Where a span's gradient comes from: scale times these numbers, or nothing.
struct Gradient {
  const float* g;
  Vec scale;
  DLRM_INLINE Vec at(int64_t k) const { return scale * load(g + k); }
  DLRM_INLINE Vec from(int64_t k, int n) const { return scale * load_n(g + k, n); }
};
struct NoGradient {
  DLRM_INLINE Vec at(int64_t) const { return zero(); }
  DLRM_INLINE Vec from(int64_t, int) const { return zero(); }
};

// Where a span's weights are.
struct FloatWeights {
  float* w;
  DLRM_INLINE Vec at(int64_t k) const { return load(w + k); }
  DLRM_INLINE Vec from(int64_t k, int n) const { return load_n(w + k, n); }
  DLRM_INLINE void put(int64_t k, Vec x) const { store(w + k, x); }
  DLRM_INLINE void put_from(int64_t k, Vec x, int n) const { store_n(w + k, x, n); }
};

// One vector's new weights; s holds the states, read at k and not yet stored.
template <class Formula, class W, class G>
DLRM_INLINE Vec new_weights(const Formula& rule, const W& w, const G& gradient, float* const* state, int64_t k, Vec* s) {
  for (int i = 0; i < Formula::kStates; ++i) s[i] = load(state[i] + k);
  return rule(w.at(k), gradient.at(k), s);
}

template <class Formula, class W, class G>
DLRM_INLINE void apply_short(const Formula& rule, const W& w, const G& gradient, float* const* state, int n) {
  Vec s[Formula::kStates + 1];
  for (int i = 0; i < Formula::kStates; ++i) s[i] = load_n(state[i], n);
  w.put_from(0, rule(w.from(0, n), gradient.from(0, n), s), n);
  for (int i = 0; i < Formula::kStates; ++i) store_n(state[i], s[i], n);
}

// Where n is no multiple of the vector, the last one overlaps the one before it: both write the same numbers there,
// since the last one is computed before anything is stored. Masked stores cost several times as much on some processors.
template <class Formula, class W, class G>
DLRM_INLINE void apply_span(const Formula& rule, const W& w, const G& gradient, float* const* state, int64_t n) {
  if (n < Vec::W) return apply_short(rule, w, gradient, state, static_cast<int>(n));
  Vec s[Formula::kStates + 1], last_state[Formula::kStates + 1];
  const int64_t last = n - Vec::W;
  const Vec last_weights = n % Vec::W ? new_weights(rule, w, gradient, state, last, last_state) : zero();
  for (int64_t k = 0; k <= last; k += Vec::W) {
    w.put(k, new_weights(rule, w, gradient, state, k, s));
    for (int i = 0; i < Formula::kStates; ++i) store(state[i] + k, s[i]);
  }
  if (n % Vec::W == 0) return;
  w.put(last, last_weights);
  for (int i = 0; i < Formula::kStates; ++i) store(state[i] + last, last_state[i]);
}

// Of a gradient that is to be clipped: in double, since its norm may not overflow where the gradient does not.
double total_squares(const float* g, int64_t n) {
  DoubleSum sum = zero_double();
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) {
    const Vec x = load(g + k);
    add_products(sum, x, x);
  }
  const Vec rest = load_n(g + k, static_cast<int>(n - k));
  add_products(sum, rest, rest);
  return total(sum);
}
