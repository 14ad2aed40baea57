// The rule's vector formula over the range. Included once per ISA.

template <class Rule>
void update_range(const DenseUpdateArgs& a, Range range) {
  const int64_t k = range.begin;
  float* state[2] = {a.state[0] ? a.state[0] + k : nullptr, a.state[1] ? a.state[1] + k : nullptr};
  apply_span(Rule(a.rule), FloatWeights{a.w + k}, Gradient{a.g + k, set1(a.rule.scale)}, state, range.end - k);
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

double squares(const float* g, int64_t n) { return total_squares(g, n); }
