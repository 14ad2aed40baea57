// Row by row, vectorised over the width. The keys ahead say which lines come next, and these are prefetched.
// Included once per ISA after optim/span.inl.

constexpr int64_t kLineFloats = 16;

DLRM_INLINE int64_t row_of(uint64_t key) { return static_cast<int64_t>(key >> 32); }
DLRM_INLINE int64_t source_of(uint64_t key) { return static_cast<int64_t>(key & 0xffffffffu); }
DLRM_INLINE const float* dout_of(const EmbeddingUpdateArgs& a, uint64_t key) {
  return a.dout + (a.sources ? a.sources[source_of(key)].gradient : source_of(key));
}

// The weights of a row of each type of table; those of 16 bits are rounded stochastically when they are put back.
struct F32Table {
  static constexpr bool kFloats = true;
  static constexpr int64_t kElementBytes = 4;
  using Row = FloatWeights;
  DLRM_INLINE static Row row(const EmbeddingUpdateArgs& a, int64_t row) { return {static_cast<float*>(a.weight) + row * a.weight_stride}; }
};

struct Bf16 {
  DLRM_INLINE static Vec at(const uint16_t* p) { return load_bf16(p); }
  DLRM_INLINE static Vec from(const uint16_t* p, int n) { return load_bf16_n(p, n); }
  DLRM_INLINE static auto round(Vec x, uint64_t random, int64_t k) { return round_bf16(x, rounding_words(random, k)); }
};
struct F16 {
  DLRM_INLINE static Vec at(const uint16_t* p) { return load_f16(p); }
  DLRM_INLINE static Vec from(const uint16_t* p, int n) { return load_f16_n(p, n); }
  DLRM_INLINE static auto round(Vec x, uint64_t random, int64_t k) { return round_f16(x, rounding_words(random, k)); }
};

template <class Half>
struct HalfTable {
  static constexpr bool kFloats = false;
  static constexpr int64_t kElementBytes = 2;
  struct Row {
    uint16_t* w;
    uint64_t random;
    DLRM_INLINE Vec at(int64_t k) const { return Half::at(w + k); }
    DLRM_INLINE Vec from(int64_t k, int n) const { return Half::from(w + k, n); }
    DLRM_INLINE void put(int64_t k, Vec x) const { store_16(w + k, Half::round(x, random, k)); }
    DLRM_INLINE void put_from(int64_t k, Vec x, int n) const { store_16_n(w + k, Half::round(x, random, k), n); }
  };
  DLRM_INLINE static Row row(const EmbeddingUpdateArgs& a, int64_t row) {
    return {static_cast<uint16_t*>(a.weight) + row * a.weight_stride, a.rounding.row(row)};
  }
};

DLRM_INLINE void prefetch_floats(const float* p, int64_t n) {
  for (int64_t k = 0; k < n; k += kLineFloats) __builtin_prefetch(p + k);
  if (n % kLineFloats) __builtin_prefetch(p + n - 1);
}

// Keys between prefetch and use: about 48 cache lines in flight.
DLRM_INLINE int64_t prefetch_distance(int64_t width) {
  const int64_t distance = 256 / width;
  return distance < 4 ? 4 : distance > 16 ? 16 : distance;
}

template <class Table>
DLRM_INLINE void prefetch_key(const EmbeddingUpdateArgs& a, int64_t i, int64_t width) {
  const int64_t row = row_of(a.keys[i]);
  prefetch_floats(dout_of(a, a.keys[i]), width);
  if (row == row_of(a.keys[i - 1])) return;
  const char* weights = static_cast<const char*>(a.weight) + row * a.weight_stride * Table::kElementBytes;
  prefetch_floats(reinterpret_cast<const float*>(weights), (width * Table::kElementBytes + 3) / 4);
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

template <class Formula, class T>
struct PerWeight {
  using Table = T;
  Formula rule;
  Vec scale;
  DLRM_INLINE explicit PerWeight(const RuleStep& step) : rule(step), scale(set1(step.scale)) {}

  DLRM_INLINE void operator()(const EmbeddingUpdateArgs& a, int64_t row, const float* g, float*, int64_t width) const {
    span(a, row, Gradient{g, scale}, width);
  }

  // Rows [row, row + rows), whose gradient is 0.
  DLRM_INLINE void rest(const EmbeddingUpdateArgs& a, int64_t row, int64_t rows, float*, int64_t width) const {
    bool one_span = Table::kFloats && a.weight_stride == width;
    for (int s = 0; s < Formula::kStates; ++s) one_span = one_span && a.state_stride[s] == width;
    if (one_span) return span(a, row, NoGradient{}, rows * width);
    for (const int64_t end = row + rows; row < end; ++row) span(a, row, NoGradient{}, width);
  }

  template <class G>
  DLRM_INLINE void span(const EmbeddingUpdateArgs& a, int64_t row, const G& gradient, int64_t n) const {
    float* state[2] = {};
    for (int s = 0; s < Formula::kStates; ++s) state[s] = a.state[s] + row * a.state_stride[s];
    apply_span(rule, Table::row(a, row), gradient, state, n);
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

template <class T>
struct PerRow {
  using Table = T;
  // The row's gradient once its factor is known, as a formula without state.
  struct Scaled {
    static constexpr int kStates = 0;
    const RowwiseAdagrad& rule;
    Vec factor;
    DLRM_INLINE Vec operator()(Vec w, Vec g, Vec*) const { return rule(w, g, factor); }
  };

  RowwiseAdagrad rule;
  float scale;
  DLRM_INLINE explicit PerRow(const RuleStep& step) : rule(step), scale(step.scale) {}

  DLRM_INLINE void operator()(const EmbeddingUpdateArgs& a, int64_t row, const float* g, float* room, int64_t width) const {
    if (rule.weight_decay != 0) return decayed(a, row, Gradient{g, set1(scale)}, room, width);
    apply(a, row, g, scale, width);
  }

  DLRM_INLINE void rest(const EmbeddingUpdateArgs& a, int64_t row, int64_t rows, float* room, int64_t width) const {
    if (rule.weight_decay == 0) return;
    for (const int64_t end = row + rows; row < end; ++row) decayed(a, row, NoGradient{}, room, width);
  }

  DLRM_INLINE void apply(const EmbeddingUpdateArgs& a, int64_t row, const float* g, float scale, int64_t width) const {
    const float mean = scale * scale * sum_of_squares(g, width) / static_cast<float>(width);
    const Scaled scaled{rule, set1(rule.factor(mean, a.state[0] + row))};
    apply_span(scaled, Table::row(a, row), Gradient{g, set1(scale)}, nullptr, width);
  }

  // The gradient with the decay goes to `room`, which may be where the gradient is.
  template <class G>
  DLRM_INLINE void decayed(const EmbeddingUpdateArgs& a, int64_t row, const G& g, float* room, int64_t width) const {
    const auto w = Table::row(a, row);
    const Vec decay = set1(rule.weight_decay);
    int64_t k = 0;
    for (; k + Vec::W <= width; k += Vec::W) store(room + k, g.at(k) + decay * w.at(k));
    const int left = static_cast<int>(width - k);
    if (left) store(room + k, g.from(k, left) + decay * w.from(k, left));
    apply(a, row, room, 1, width);
  }
};

// The first key in the range whose row does not begin before it.
DLRM_INLINE int64_t first_row(const EmbeddingUpdateArgs& a, Range range) {
  int64_t i = range.begin;
  while (i > 0 && i < range.end && row_of(a.keys[i]) == row_of(a.keys[i - 1])) ++i;
  return i;
}

// Behind the last key of the row of key i.
DLRM_INLINE int64_t end_of_row(const EmbeddingUpdateArgs& a, int64_t i) {
  int64_t end = i + 1;
  while (end < a.lookups && row_of(a.keys[end]) == row_of(a.keys[i])) ++end;
  return end;
}

// kWidth: the width where it is known to the compiler, else 0.
template <class Apply, int64_t kWidth>
void update_rows(const EmbeddingUpdateArgs& args, Range range, float* gradient) {
  const EmbeddingUpdateArgs a = args;  // a copy: stores to weights cannot change it
  const Apply apply(a.rule);
  const int64_t width = kWidth ? kWidth : a.width, distance = prefetch_distance(width);
  int64_t i = first_row(a, range), ahead = i + 1;
  while (i < range.end) {
    const int64_t row = row_of(a.keys[i]);
    const int64_t end = end_of_row(a, i);
    const int64_t to = end + distance < a.lookups ? end + distance : a.lookups;
    for (; ahead < to; ++ahead) prefetch_key<typename Apply::Table>(a, ahead, width);
    apply(a, row, row_gradient(a, i, end, gradient, width), gradient, width);
    i = end;
  }
}

// Rows [range.begin, range.end), those without lookups too.
template <class Apply>
void update_whole(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  const Apply apply(a.rule);
  int64_t i = 0, row = range.begin;
  for (int64_t high = a.lookups; i < high;) {  // the first key of these rows
    const int64_t middle = (i + high) / 2;
    if (row_of(a.keys[middle]) < row)
      i = middle + 1;
    else
      high = middle;
  }
  while (row < range.end) {
    int64_t next = i < a.lookups ? row_of(a.keys[i]) : range.end;
    if (next > range.end) next = range.end;
    if (row < next) apply.rest(a, row, next - row, gradient, a.width);
    if ((row = next) == range.end) return;
    const int64_t end = end_of_row(a, i);
    apply(a, row, row_gradient(a, i, end, gradient, a.width), gradient, a.width);
    i = end;
    ++row;
  }
}

template <class Apply>
void update_width(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  if (!Apply::Table::kFloats) return update_rows<Apply, 0>(a, range, gradient);
  switch (a.width) {
    case 16: return update_rows<Apply, 16>(a, range, gradient);
    case 32: return update_rows<Apply, 32>(a, range, gradient);
    case 64: return update_rows<Apply, 64>(a, range, gradient);
    case 128: return update_rows<Apply, 128>(a, range, gradient);
    default: return update_rows<Apply, 0>(a, range, gradient);
  }
}

template <class T>
void update_of(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.rule.kind) {
    case RuleKind::adagrad: return update_width<PerWeight<Adagrad, T>>(a, range, gradient);
    case RuleKind::rowwise_adagrad: return update_width<PerRow<T>>(a, range, gradient);
    case RuleKind::adam: return update_width<PerWeight<Adam, T>>(a, range, gradient);
    case RuleKind::ftrl: return update_width<PerWeight<Ftrl, T>>(a, range, gradient);
    default: return update_width<PerWeight<Sgd, T>>(a, range, gradient);
  }
}

void update(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.dtype) {
    case DType::bf16: return update_of<HalfTable<Bf16>>(a, range, gradient);
    case DType::f16: return update_of<HalfTable<F16>>(a, range, gradient);
    default: return update_of<F32Table>(a, range, gradient);
  }
}

template <class T>
void update_all_of(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.rule.kind) {
    case RuleKind::momentum: return update_whole<PerWeight<Momentum, T>>(a, range, gradient);
    case RuleKind::adagrad: return update_whole<PerWeight<Adagrad, T>>(a, range, gradient);
    case RuleKind::rowwise_adagrad: return update_whole<PerRow<T>>(a, range, gradient);
    case RuleKind::adam: return update_whole<PerWeight<Adam, T>>(a, range, gradient);
    case RuleKind::ftrl: return update_whole<PerWeight<Ftrl, T>>(a, range, gradient);
    default: return update_whole<PerWeight<Sgd, T>>(a, range, gradient);
  }
}

void update_all(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  switch (a.dtype) {
    case DType::bf16: return update_all_of<HalfTable<Bf16>>(a, range, gradient);
    case DType::f16: return update_all_of<HalfTable<F16>>(a, range, gradient);
    default: return update_all_of<F32Table>(a, range, gradient);
  }
}

double squares_by_keys(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  double sum = 0;
  for (int64_t i = first_row(a, range); i < range.end;) {
    const int64_t end = end_of_row(a, i);
    sum += total_squares(row_gradient(a, i, end, gradient, a.width), a.width);
    i = end;
  }
  return sum;
}
