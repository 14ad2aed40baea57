// Adagrad (Duchi et al. 2011) as torch.optim.Adagrad, dense and sparse; see sgd.h for how this text is used.
//   g += weight_decay w;  s += g^2;  w -= lr g / (sqrt(s) + eps),  lr decayed as lr / (1 + (step-1) lr_decay)

struct Adagrad {
  static constexpr int kStates = 1;
  Vec lr, eps, weight_decay;
  bool decays;

  DLRM_INLINE explicit Adagrad(const RuleStep& s)
      : lr(set1(s.lr)), eps(set1(s.eps)), weight_decay(set1(s.weight_decay)), decays(s.weight_decay != 0) {}

  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec* state) const {
    if (decays) g = g + weight_decay * w;
    state[0] = state[0] + g * g;
    return w - lr * (g / (sqrt(state[0]) + eps));
  }
};
