// Vectorised over the width, columns in blocks of at most 8 vectors whose sums stay in registers. Lookups lie in memory
// in the order they are used, so the rows some lookups ahead are known and prefetched. Included once per ISA.

constexpr int64_t kBlockVecs = 8;
constexpr int64_t kLineFloats = 16;

// Lookups between prefetch and use: about 32 cache lines in flight.
DLRM_INLINE int64_t prefetch_distance(int64_t floats) {
  const int64_t distance = 512 / floats;
  return distance < 4 ? 4 : distance > 24 ? 24 : distance;
}

DLRM_INLINE void prefetch_floats(const float* p, int64_t n) {
  for (int64_t k = 0; k < n; k += kLineFloats) __builtin_prefetch(p + k);
  if (n % kLineFloats) __builtin_prefetch(p + n - 1);
}

// Columns [k, k + columns) of every bag in N vectors. Where columns is no multiple of the vector, the last one overlaps
// the one before it; kShort: a single vector that is not full.
template <int N, bool kShort, bool kScaled>
void sum_columns(const EmbeddingBagForward& a, Range bags, int64_t k, int64_t columns) {
  const EmbeddingBagTable t = a.table;  // a copy: stores to out cannot change it
  const int64_t last = kShort ? 0 : columns - Vec::W, distance = prefetch_distance(columns);
  const int some = static_cast<int>(columns);
  const float* column = t.weight + k;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int64_t begin = t.offsets[b], end = t.offsets[b + 1];
    Vec sums[N];
    for (int n = 0; n < N; ++n) sums[n] = zero();
    for (int64_t i = begin; i < end; ++i) {
      if (i + distance < t.lookups) prefetch_floats(column + t.indices[i + distance] * t.weight_stride, columns);
      const float* row = column + t.indices[i] * t.weight_stride;
      const Vec scale = kScaled ? set1(t.weights ? t.weights[i] : t.row_weights[t.indices[i]]) : zero();
      for (int n = 0; n < N; ++n) {
        const Vec x = kShort ? load_n(row, some) : load(row + (n < N - 1 ? n * Vec::W : last));
        sums[n] = sums[n] + (kScaled ? scale * x : x);
      }
    }
    if (t.pooling == Pooling::mean && end - begin > 1) {
      const Vec count = set1(static_cast<float>(end - begin));
      for (int n = 0; n < N; ++n) sums[n] = sums[n] / count;
    }
    float* out = a.out + b * a.out_stride + k;
    for (int n = 0; n < N; ++n) {
      if (kShort)
        store_n(out, sums[n], some);
      else
        store(out + (n < N - 1 ? n * Vec::W : last), sums[n]);
    }
  }
}

template <bool kScaled>
void sum_block(const EmbeddingBagForward& a, Range bags, int64_t k, int64_t columns) {
  if (columns < Vec::W) return sum_columns<1, true, kScaled>(a, bags, k, columns);
  switch ((columns + Vec::W - 1) / Vec::W) {
    case 1: return sum_columns<1, false, kScaled>(a, bags, k, columns);
    case 2: return sum_columns<2, false, kScaled>(a, bags, k, columns);
    case 3: return sum_columns<3, false, kScaled>(a, bags, k, columns);
    case 4: return sum_columns<4, false, kScaled>(a, bags, k, columns);
    case 5: return sum_columns<5, false, kScaled>(a, bags, k, columns);
    case 6: return sum_columns<6, false, kScaled>(a, bags, k, columns);
    case 7: return sum_columns<7, false, kScaled>(a, bags, k, columns);
    default: return sum_columns<8, false, kScaled>(a, bags, k, columns);
  }
}

template <bool kScaled>
void sum_bags(const EmbeddingBagForward& a, Range bags) {
  constexpr int64_t kBlock = kBlockVecs * Vec::W;
  for (int64_t k = 0; k < a.table.width; k += kBlock)
    sum_block<kScaled>(a, bags, k, a.table.width - k < kBlock ? a.table.width - k : kBlock);
}

// Plain loops: the compiler makes blends of them.
void max_bags(const EmbeddingBagForward& a, Range bags) {
  const EmbeddingBagTable t = a.table;
  const int64_t distance = prefetch_distance(t.width);
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    float* __restrict out = a.out + b * a.out_stride;
    int32_t* __restrict positions = a.positions + b * a.positions_stride;
    const int32_t begin = t.offsets[b], end = t.offsets[b + 1];
    for (int64_t e = 0; e < t.width; ++e) {
      out[e] = begin < end ? t.weight[t.indices[begin] * t.weight_stride + e] : 0;
      positions[e] = begin < end ? begin : -1;
    }
    for (int32_t i = begin; i < end; ++i) {
      if (i + distance < t.lookups)
        prefetch_floats(t.weight + t.indices[i + distance] * t.weight_stride, t.width);
      const float* __restrict row = t.weight + t.indices[i] * t.weight_stride;
      for (int64_t e = 0; e < t.width; ++e) {
        const bool wins = row[e] > out[e];
        out[e] = wins ? row[e] : out[e];
        positions[e] = wins ? i : positions[e];
      }
    }
  }
}

void forward(const EmbeddingBagForward& a, Range bags) {
  if (a.table.pooling == Pooling::max)
    max_bags(a, bags);
  else if (a.table.weights || a.table.row_weights)
    sum_bags<true>(a, bags);
  else
    sum_bags<false>(a, bags);
}

DLRM_INLINE float dot(const float* x, const float* y, int64_t n) {
  Vec even = zero(), odd = zero();
  int64_t k = 0;
  for (; k + 2 * Vec::W <= n; k += 2 * Vec::W) {
    even = fma(load(x + k), load(y + k), even);
    odd = fma(load(x + k + Vec::W), load(y + k + Vec::W), odd);
  }
  for (; k < n; k += Vec::W) {
    const int rest = static_cast<int>(n - k < Vec::W ? n - k : Vec::W);
    even = fma(load_n(x + k, rest), load_n(y + k, rest), even);
  }
  return sum(even + odd);
}

void backward(const EmbeddingBagBackward& a, Range bags) {
  const EmbeddingBagTable t = a.table;
  const int64_t distance = prefetch_distance(t.width);
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const float* dout = a.dout + b * a.dout_stride;
    for (int64_t i = t.offsets[b]; i < t.offsets[b + 1]; ++i) {
      if (i + distance < t.lookups)
        prefetch_floats(t.weight + t.indices[i + distance] * t.weight_stride, t.width);
      a.dlookup[i] = dot(dout, t.weight + t.indices[i] * t.weight_stride, t.width);
    }
  }
}
