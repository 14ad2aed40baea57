// FTRL-Proximal with per-coordinate learning rates (McMahan et al. 2013, "Ad Click Prediction: a View from the
// Trenches", algorithm 1); see sgd.h for how this text is used. The paper, with a = lr:
//   n' = n + g^2;  z' = z + g - (sqrt(n') - sqrt(n)) / a w
//   w' = 0 if |z'| <= l1, else -(z' - sign(z') l1) / D,  D = (beta + sqrt(n')) / a + l2
// A weight other than 0 says its z itself: z = -D w - sign(w) l1. So the state z is kept where w is 0 only, and is 0
// elsewhere, which is the same in exact arithmetic, and
//   - a weight that starts at w0 keeps it until its first gradient: it starts at the z that gives w0;
//   - the learning rate may change from step to step (the paper's sigma is then the change of D);
//   - a gradient of 0 changes nothing, so that lazy and whole tables agree.
// With r = 1/D and p = -r (z + g - sigma w), the weight is p shrunk towards 0 by r l1.

struct Ftrl {
  static constexpr int kStates = 2;
  Vec lr, beta, lr_l2, l1;

  DLRM_INLINE explicit Ftrl(const RuleStep& s)
      : lr(set1(s.lr)), beta(set1(s.beta)), lr_l2(set1(s.lr * s.l2)), l1(set1(s.l1)) {}

  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec* state) const {
    const Vec square = g * g, sum = state[0] + g;
    state[1] = state[1] + square;
    const Vec r = lr / (beta + sqrt(state[1]) + lr_l2), shift = l1 * r;
    const Vec minus_w = zero() - w;
    const Vec p = (w - sum * r) + (where_positive(w, shift) - where_positive(minus_w, shift));
    const Vec next = max(zero(), p - shift) + min(zero(), p + shift);
    const Vec was_zero = where_positive(max(w, minus_w), zero() - p / r, sum);
    const Vec z = where_positive(max(next, zero() - next), zero(), was_zero);
    state[0] = where_positive(square, z, state[0]);
    return where_positive(square, next, w);
  }
};
