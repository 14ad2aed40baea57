// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) as torch.optim.Adam, AdamW and, for lazy tables,
// SparseAdam; see sgd.h for how this text is used.
//   g += weight_decay w, or decoupled w *= 1 - lr weight_decay
//   m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
//   dense   w -= lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
//   lazy    w -= lr sqrt(1 - beta2^step) / (1 - beta1^step) m / (sqrt(v) + eps), touched rows only
// RuleStep::lr and bias2 hold what differs between the two.

struct Adam {
  static constexpr int kStates = 2;
  Vec lr, eps, weight_decay, shrink, beta2, new1, new2, bias2;
  bool decays, shrinks, biased;

  DLRM_INLINE explicit Adam(const RuleStep& s)
      : lr(set1(s.lr)),
        eps(set1(s.eps)),
        weight_decay(set1(s.weight_decay)),
        shrink(set1(s.shrink)),
        beta2(set1(s.beta2)),
        new1(set1(s.new1)),
        new2(set1(s.new2)),
        bias2(set1(s.bias2)),
        decays(s.weight_decay != 0),
        shrinks(s.shrink != 1),
        biased(s.bias2 != 1) {}

  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec* state) const {
    if (shrinks) w = w * shrink;
    if (decays) g = g + weight_decay * w;
    state[0] = state[0] + new1 * (g - state[0]);
    state[1] = beta2 * state[1] + new2 * (g * g);
    Vec root = sqrt(state[1]);
    if (biased) root = root / bias2;
    return w - lr * (state[0] / (root + eps));
  }
};
