// Stochastic gradient descent as torch.optim.SGD (no dampening, no Nesterov). Like simd_*.h, included once per ISA
// inside its namespace and target region, after Vec, set1 and sqrt; RuleStep is in optim/rule_step.h.
//   g += weight_decay w;  with momentum: m = momentum m + g, g = m;  w -= lr g

struct Sgd {
  static constexpr int kStates = 0;
  Vec lr, weight_decay;
  bool decays;

  DLRM_INLINE explicit Sgd(const RuleStep& s)
      : lr(set1(s.lr)), weight_decay(set1(s.weight_decay)), decays(s.weight_decay != 0) {}

  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec*) const {
    if (decays) g = g + weight_decay * w;
    return w - lr * g;
  }
};

// The first step's m is g itself, since the state starts at 0.
struct Momentum {
  static constexpr int kStates = 1;
  Sgd sgd;
  Vec momentum;

  DLRM_INLINE explicit Momentum(const RuleStep& s) : sgd(s), momentum(set1(s.momentum)) {}

  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec* state) const {
    if (sgd.decays) g = g + sgd.weight_decay * w;
    state[0] = momentum * state[0] + g;
    return w - sgd.lr * state[0];
  }
};
