// What the kernels of embedding_update share: descriptors, the sum of a row's lookups, the rules. Included once, by cuda.cu,
// inside its namespace.
#pragma once

using rule::Adagrad;
using rule::Adam;
using rule::Ftrl;
using rule::Momentum;
using rule::RowwiseAdagrad;
using rule::Sgd;

// In place of a rule: the sum of squares of the gradients, nothing else.
struct Squares {
  static constexpr int kStates = 0;
};

struct Table {
  char* weight;
  float* state[2];
  const float* row_weights;  // or null
  const RoundingKey* rounding;
  uint32_t weight_stride, state_stride[2];
  uint32_t first, end;  // its keys among the sorted ones
  uint32_t base;        // key of its row 0
  int32_t rows, width;
  int32_t first_tile;
  uint8_t lane_bits;  // 2^lane_bits lanes have a row
  uint8_t by_lookup;  // values are numbers of lookups, else places in dout
};

// A row with more than kHot lookups, keys [first, end); the sums of its pieces are parts [first_part, ...).
struct HotRow {
  uint32_t first, end, first_part;
  int32_t table, tile;
};

struct HotRows {
  unsigned long long* taken;  // rows << 32 | parts
  HotRow* list;               // in whatever order
  float* parts;
  int64_t part_floats, most, most_parts;
};

struct Tables {
  const uint32_t *keys, *values;  // sorted
  const LookupSource* sources;
  const float* dout;
  const int32_t* positions;
  const RuleStep* rule;
  const float* scale;  // or null
  double* squares;     // of each tile, or null
  HotRows hot;
  RuleKind kind;
  int32_t count, tiles;
  Table table[kMaxTables];
};
static_assert(sizeof(Tables) <= 4096, "parameters of a kernel");

// Whose tile is this?
__device__ __forceinline__ int table_of(const Tables& a, int tile) {
  int low = 0, high = a.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (a.table[middle].first_tile <= tile)
      low = middle;
    else
      high = middle;
  }
  return low;
}

__device__ __forceinline__ RuleStep rule_step(const Tables& a) {
  RuleStep step = *a.rule;
  if (a.scale) step.scale = *a.scale;
  return step;
}

// Where the gradient of a key with this value comes from.
__device__ __forceinline__ LookupSource lookup_of(const Tables& a, const Table& t, uint32_t value, float row_weight) {
  if (!t.by_lookup) return {value, 0, row_weight, -1};
  const uint4 q = __ldg(reinterpret_cast<const uint4*>(a.sources + value));
  return {q.x, q.y, float_of(q.z), static_cast<int32_t>(q.w)};
}

template <int kCols>
__device__ __forceinline__ void load_gradient(const Tables& a, const LookupSource& from, int k, float* d) {
  load_floats<kCols>(a.dout + from.gradient + k, d);
  if (from.lookup < 0) {
    for (int n = 0; n < kCols; ++n) d[n] *= from.scale;
    return;
  }
  for (int n = 0; n < kCols; ++n)
    if (__ldg(a.positions + from.positions + k + n) != from.lookup) d[n] = 0;
}

// Adds keys [begin, end), in order, kAtOnce of them under way.
template <int kCols, int kAtOnce>
__device__ __forceinline__ void add_gradients(const Tables& a, const Table& t, uint32_t begin, uint32_t end, float row_weight, int k, float* sum) {
  for (uint32_t i = begin; i < end; i += kAtOnce) {
    LookupSource from[kAtOnce];
    float d[kAtOnce][kCols];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (i + u < end) from[u] = lookup_of(a, t, __ldg(a.values + i + u), row_weight);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (i + u < end) load_gradient<kCols>(a, from[u], k, d[u]);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (i + u < end)
        for (int n = 0; n < kCols; ++n) sum[n] += d[u][n];
  }
}

// Rows of each type; those of 16 bits are rounded stochastically, by words that depend on key, row and column.
struct F32Weights {
  static constexpr int kBytes = 4;
  template <int kCols>
  static __device__ __forceinline__ void load(const char* p, float* w) {
    load_once<kCols>(reinterpret_cast<const float*>(p), w);
  }
  template <int kCols>
  static __device__ __forceinline__ void store(char* p, const float* w, uint64_t, int) {
    store_once<kCols>(reinterpret_cast<float*>(p), w);
  }
};

struct Bf16 {
  static __device__ __forceinline__ float of(uint16_t half) { return from_bf16(half); }
  static __device__ __forceinline__ uint32_t round(float x, uint32_t random) { return dlrm::to_bf16(x, random); }
};
struct F16 {
  static __device__ __forceinline__ float of(uint16_t half) { return from_f16(half); }
  static __device__ __forceinline__ uint32_t round(float x, uint32_t random) { return dlrm::to_f16(x, random); }
};

template <class Half>
struct HalfWeights {
  static constexpr int kBytes = 2;
  template <int kCols>
  static __device__ __forceinline__ void load(const char* p, float* w) {
    if constexpr (kCols == 4) {
      const uint2 q = __ldcs(reinterpret_cast<const uint2*>(p));
      const uint32_t pairs[2] = {q.x, q.y};
      for (int n = 0; n < 4; ++n) w[n] = Half::of(static_cast<uint16_t>(n % 2 ? pairs[n / 2] >> 16 : pairs[n / 2]));
    } else {
      w[0] = Half::of(__ldcs(reinterpret_cast<const uint16_t*>(p)));
    }
  }
  template <int kCols>
  static __device__ __forceinline__ void store(char* p, const float* w, uint64_t random, int k) {
    uint32_t half[kCols];
    for (int n = 0; n < kCols; ++n) half[n] = Half::round(w[n], rounding_word(random, static_cast<uint32_t>(k + n)));
    if constexpr (kCols == 4)
      __stcs(reinterpret_cast<uint2*>(p), uint2{half[0] | half[1] << 16, half[2] | half[3] << 16});
    else
      __stcs(reinterpret_cast<uint16_t*>(p), static_cast<uint16_t>(half[0]));
  }
};

// Columns [k, k + kCols) of a row: weights and states, as they are under way and then updated.
template <class W, int kStates, int kCols>
struct Columns {
  float w[kCols], state[kStates + 1][kCols];

  static __device__ __forceinline__ char* weights(const Table& t, uint32_t row, int k) {
    return t.weight + (static_cast<int64_t>(row) * t.weight_stride + k) * W::kBytes;
  }
  static __device__ __forceinline__ float* states(const Table& t, int s, uint32_t row, int k) {
    return t.state[s] + static_cast<int64_t>(row) * t.state_stride[s] + k;
  }
  __device__ __forceinline__ void load(const Table& t, uint32_t row, int k) {
    W::template load<kCols>(weights(t, row, k), w);
#pragma unroll
    for (int s = 0; s < kStates; ++s) load_once<kCols>(states(t, s, row, k), state[s]);
  }
  // new weight = rule(weight, n, states)
  template <class F>
  __device__ __forceinline__ void update(const Table& t, uint32_t row, int k, uint64_t random, F&& rule) {
#pragma unroll
    for (int n = 0; n < kCols; ++n) {
      float s[kStates + 1];
      for (int i = 0; i < kStates; ++i) s[i] = state[i][n];
      w[n] = rule(w[n], n, s);
      for (int i = 0; i < kStates; ++i) state[i][n] = s[i];
    }
    W::template store<kCols>(weights(t, row, k), w, random, k);
#pragma unroll
    for (int s = 0; s < kStates; ++s) store_once<kCols>(states(t, s, row, k), state[s]);
  }
};

template <class W>
__device__ __forceinline__ uint64_t random_of(const Table& t, uint32_t row) {
  return W::kBytes == 2 ? t.rounding->row(row) : 0;
}

// One rule for columns [k, k + kCols) of a row whose gradient is known.
template <class W, class Rule, int kCols>
__device__ __forceinline__ void apply_to(const Table& t, const RuleStep& step, uint32_t row, int k, const float* g) {
  const Rule rule(step);
  Columns<W, Rule::kStates, kCols> columns;
  columns.load(t, row, k);
  columns.update(t, row, k, random_of<W>(t, row), [&](float w, int n, float* s) { return rule(w, step.scale * g[n], s); });
}

// Any rule but row-wise Adagrad.
template <class W, int kCols>
__device__ __forceinline__ void apply(const Tables& a, const Table& t, const RuleStep& step, uint32_t row, int k, const float* g) {
  switch (a.kind) {
    case RuleKind::momentum: return apply_to<W, Momentum, kCols>(t, step, row, k, g);
    case RuleKind::adagrad: return apply_to<W, Adagrad, kCols>(t, step, row, k, g);
    case RuleKind::adam: return apply_to<W, Adam, kCols>(t, step, row, k, g);
    case RuleKind::ftrl: return apply_to<W, Ftrl, kCols>(t, step, row, k, g);
    default: return apply_to<W, Sgd, kCols>(t, step, row, k, g);
  }
}
