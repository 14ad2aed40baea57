// Row-wise Adagrad as optim/rwsadagrad.py of facebookresearch/dlrm: one state per row of a table; see sgd.h for how
// this text is used.
//   g += weight_decay w;  s += mean(g^2) over the row;  w -= lr / (sqrt(s) + eps) g

struct RowwiseAdagrad {
  float lr, eps, weight_decay;

  DLRM_INLINE explicit RowwiseAdagrad(const RuleStep& s) : lr(s.lr), eps(s.eps), weight_decay(s.weight_decay) {}

  // Updates the row's state; returns the factor of its gradient.
  DLRM_INLINE float factor(float mean_square, float* state) const {
    *state += mean_square;
    return lr / (__builtin_sqrtf(*state) + eps);
  }
  DLRM_INLINE Vec operator()(Vec w, Vec g, Vec factor) const { return w - factor * g; }
};
