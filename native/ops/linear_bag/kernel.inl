// Column by column over a block of examples, whose sums stay in the first-level cache; a row is a single number, so the
// work is the lookups' cache misses, and these are prefetched. Included once per ISA.

constexpr int64_t kAhead = 32;  // lookups between prefetch and use

// Do bags [begin, end) have one lookup each?
DLRM_INLINE bool one_each(const int32_t* offsets, Range bags) {
  const int32_t first = offsets[bags.begin] - static_cast<int32_t>(bags.begin);
  int32_t other = 0;
  for (int64_t b = bags.begin; b <= bags.end; ++b) other |= (offsets[b] - static_cast<int32_t>(b)) ^ first;
  return other == 0;
}

template <bool kWeighted, bool kAdjacent>
DLRM_INLINE float lookup(const LinearBagColumn& c, int64_t i) {
  const float w = c.weight[kAdjacent ? c.indices[i] : c.indices[i] * c.weight_stride];
  return kWeighted ? c.weights[i] * w : w;
}

DLRM_INLINE void prefetch(const LinearBagColumn& c, int64_t i) {
  if (i < c.lookups) __builtin_prefetch(c.weight + c.indices[i] * c.weight_stride);
}

template <bool kWeighted, bool kAdjacent>
void add_single(const LinearBagColumn& column, Range bags, float* __restrict sums) {
  const LinearBagColumn c = column;
  const int64_t first = c.offsets[bags.begin], n = bags.end - bags.begin;
  const int64_t near = c.lookups - first - kAhead < n ? c.lookups - first - kAhead : n;
  int64_t j = 0;
  for (; j < near; ++j) {
    __builtin_prefetch(c.weight + c.indices[first + j + kAhead] * c.weight_stride);
    sums[j] += lookup<kWeighted, kAdjacent>(c, first + j);
  }
  for (; j < n; ++j) sums[j] += lookup<kWeighted, kAdjacent>(c, first + j);
}

template <bool kWeighted, bool kAdjacent>
void add_bags(const LinearBagColumn& column, Range bags, float* __restrict sums) {
  const LinearBagColumn c = column;
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int64_t begin = c.offsets[b], end = c.offsets[b + 1];
    float sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      prefetch(c, i + kAhead);
      sum += lookup<kWeighted, kAdjacent>(c, i);
    }
    sums[b - bags.begin] += c.mean && end - begin > 1 ? sum / static_cast<float>(end - begin) : sum;
  }
}

template <bool kWeighted, bool kAdjacent>
void add_column(const LinearBagColumn& c, Range bags, float* sums) {
  if (one_each(c.offsets, bags))
    add_single<kWeighted, kAdjacent>(c, bags, sums);
  else
    add_bags<kWeighted, kAdjacent>(c, bags, sums);
}

void forward(const LinearBagArgs& a, Range bags) {
  float sums[kLinearBagBlock];
  const int64_t n = bags.end - bags.begin;
  const float bias = a.bias ? *a.bias : 0;
  for (int64_t j = 0; j < n; ++j) sums[j] = bias;
  for (int64_t k = 0; k < a.column_count; ++k) {
    const LinearBagColumn& c = a.columns[k];
    if (c.weights)
      add_column<true, false>(c, bags, sums);
    else if (c.weight_stride == 1)
      add_column<false, true>(c, bags, sums);
    else
      add_column<false, false>(c, bags, sums);
  }
  for (int64_t j = 0; j < n; ++j) a.out[(bags.begin + j) * a.out_stride] = sums[j];
}

void backward(const LinearBagArgs& a, Range bags) {
  for (int64_t k = 0; k < a.column_count; ++k) {
    const LinearBagColumn c = a.columns[k];
    for (int64_t b = bags.begin; b < bags.end; ++b) {
      const float dout = c.mean ? 0 : a.out[b * a.out_stride];
      for (int64_t i = c.offsets[b]; i < c.offsets[b + 1]; ++i) {
        prefetch(c, i + kAhead);
        c.dlookup[i] = dout * lookup<false, false>(c, i);
      }
    }
  }
}
