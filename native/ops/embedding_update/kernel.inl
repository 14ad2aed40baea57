// Row by row, vectorised over the width. The keys ahead say which lines come next, and these are prefetched.
// Included once per ISA after optim/span.inl.

constexpr int64_t kLineFloats = 16;

DLRM_INLINE int64_t row_of(uint64_t key) { return static_cast<int64_t>(key >> 32); }
DLRM_INLINE int64_t source_of(uint64_t key) { return static_cast<int64_t>(key & 0xffffffffu); }
DLRM_INLINE const float* dout_of(const EmbeddingUpdateArgs& a, uint64_t key) {
  return a.dout + (a.sources ? a.sources[source_of(key)].gradient : source_of(key));
}

DLRM_INLINE void prefetch_floats(const float* p, int64_t n) {
  for (int64_t k = 0; k < n; k += kLineFloats) __builtin_prefetch(p + k);
  if (n % kLineFloats) __builtin_prefetch(p + n - 1);
}

// Keys between prefetch and use: about 48 cache lines in flight.
DLRM_INLINE int64_t prefetch_distance(int64_t width) {
  const int64_t distance = 256 / width;
  return distance < 4 ? 4 : distance > 16 ? 16 : distance;
}

DLRM_INLINE void prefetch_key(const EmbeddingUpdateArgs& a, int64_t i, int64_t width) {
  const int64_t row = row_of(a.keys[i]);
  prefetch_floats(dout_of(a, a.keys[i]), width);
  if (row == row_of(a.keys[i - 1])) return;
  prefetch_floats(a.weight + row * a.weight_stride, width);
  for (int s = 0; s < 2; ++s)
    if (a.state[s]) prefetch_floats(a.state[s] + row * a.state_stride[s], a.state_stride[s] == 1 ? 1 : width);
}

DLRM_INLINE float scale_of(const EmbeddingUpdateArgs& a, uint64_t key) {
  if (a.sources) return a.sources[source_of(key)].scale;
  return a.row_weights ? a.row_weights[row_of(key)] : 1.0f;
}

// sum = scale * x, or sum += scale * x. Only sum has room for whole vectors.
template <bool kFirst>
DLRM_INLINE void add_scaled(float* sum, float scale, const float* x, int64_t n) {
  const Vec s = set1(scale);
  int64_t k = 0;
  for (; k + Vec::W <= n; k += Vec::W) store(sum + k, kFirst ? s * load(x + k) : load(sum + k) + s * load(x + k));
  const int rest = static_cast<int>(n - k);
  if (rest) store(sum + k, kFirst ? s * load_n(x + k, rest) : load(sum + k) + s * load_n(x + k, rest));
}

// The elements this lookup won. A plain loop: the compiler makes blends of it.
DLRM_INLINE void add_won(float* __restrict sum, bool first, int32_t lookup, const float* __restrict dout,
                         const int32_t* __restrict positions, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    const float won = positions[k] == lookup ? dout[k] : 0;
    sum[k] = first ? won : sum[k] + won;
  }
}

// The gradient of the row of keys [begin, end): dout itself where one lookup of weight 1 gives it, else made in `sum`.
DLRM_INLINE const float* row_gradient(const EmbeddingUpdateArgs& a, int64_t begin, int64_t end, float* sum,
                                      int64_t width) {
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t key = a.keys[i];
    const float* dout = dout_of(a, key);
    if (a.sources && a.sources[source_of(key)].lookup >= 0) {
      const LookupSource& source = a.sources[source_of(key)];
      add_won(sum, i == begin, source.lookup, dout, a.positions + source.positions, width);
      continue;
    }
    const float scale = scale_of(a, key);
    if (end - begin == 1 && scale == 1) return dout;
    if (i == begin)
      add_scaled<true>(sum, scale, dout, width);
    else
      add_scaled<false>(sum, scale, dout, width);
  }
  return sum;
}

template <class Formula>
struct PerWeight {
  Formula rule;
  DLRM_INLINE explicit PerWeight(const RuleStep& step) : rule(step) {}

  DLRM_INLINE void operator()(const EmbeddingUpdateArgs& a, int64_t row, const float* g, int64_t width) const {
    float* state[2] = {};
    for (int s = 0; s < Formula::kStates; ++s) state[s] = a.state[s] + row * a.state_stride[s];
    apply_span(rule, a.weight + row * a.weight_stride, g, state, width);
  }
};

DLRM_INLINE float sum_of_squares(const float* g, int64_t n) {
  Vec even = zero(), odd = zero();
  int64_t k = 0;
  for (; k + 2 * Vec::W <= n; k += 2 * Vec::W) {
    even = fma(load(g + k), load(g + k), even);
    odd = fma(load(g + k + Vec::W), load(g + k + Vec::W), odd);
  }
  for (; k < n; k += Vec::W) {
    const Vec x = n - k < Vec::W ? load_n(g + k, static_cast<int>(n - k)) : load(g + k);
    even = fma(x, x, even);
  }
  return sum(even + odd);
}

struct PerRow {
  // The row's gradient once its factor is known, as a formula without state.
  struct Scaled {
    static constexpr int kStates = 0;
    const RowwiseAdagrad& rule;
    Vec factor;
    DLRM_INLINE Vec operator()(Vec w, Vec g, Vec*) const { return rule(w, g, factor); }
  };

  RowwiseAdagrad rule;
  DLRM_INLINE explicit PerRow(const RuleStep& step) : rule(step) {}

  DLRM_INLINE void operator()(const EmbeddingUpdateArgs& a, int64_t row, const float* g, int64_t width) const {
    const float factor = rule.factor(sum_of_squares(g, width) / static_cast<float>(width), a.state[0] + row);
    apply_span(Scaled{rule, set1(factor)}, a.weight + row * a.weight_stride, g, nullptr, width);
  }
};

// kWidth: the width where it is known to the compiler, else 0.
template <class Apply, int64_t kWidth>
void update_rows(const EmbeddingUpdateArgs& args, Range range, float* gradient) {
  const EmbeddingUpdateArgs a = args;  // a copy: stores to weights cannot change it
  const Apply apply(a.rule);
  const int64_t width = kWidth ? kWidth : a.width, distance = prefetch_distance(width);
  int64_t i = range.begin;
  while (i > 0 && i < range.end && row_of(a.keys[i]) == row_of(a.keys[i - 1])) ++i;
  int64_t ahead = i + 1;
  while (i < range.end) {
    const int64_t row = row_of(a.keys[i]);
    int64_t end = i + 1;
    while (end < a.lookups && row_of(a.keys[end]) == row) ++end;
    const int64_t to = end + distance < a.lookups ? end + distance : a.lookups;
    for (; ahead < to; ++ahead) prefetch_key(a, ahead, width);
    apply(a, row, row_gradient(a, i, end, gradient, width), width);
    i = end;
  }
}

template <class Apply>
void update_width(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.width) {
    case 16: return update_rows<Apply, 16>(a, range, gradient);
    case 32: return update_rows<Apply, 32>(a, range, gradient);
    case 64: return update_rows<Apply, 64>(a, range, gradient);
    case 128: return update_rows<Apply, 128>(a, range, gradient);
    default: return update_rows<Apply, 0>(a, range, gradient);
  }
}

void update(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.rule.kind) {
    case RuleKind::adagrad: return update_width<PerWeight<Adagrad>>(a, range, gradient);
    case RuleKind::rowwise_adagrad: return update_width<PerRow>(a, range, gradient);
    case RuleKind::adam: return update_width<PerWeight<Adam>>(a, range, gradient);
    default: return update_width<PerWeight<Sgd>>(a, range, gradient);
  }
}
