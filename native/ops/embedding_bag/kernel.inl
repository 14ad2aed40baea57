// Vectorised over the width, columns in blocks of at most 8 vectors whose sums stay in registers. Lookups lie in memory
// in the order they are used, so the rows some lookups ahead are known and prefetched. Row: base/table_rows.inl. Included
// once per ISA.

constexpr int64_t kBlockVecs = 8;
constexpr int64_t kLineBytes = 64;

// Lookups between prefetch and use: about 32 cache lines in flight.
DLRM_INLINE int64_t prefetch_distance(int64_t bytes) {
  const int64_t distance = 2048 / bytes;
  return distance < 4 ? 4 : distance > 24 ? 24 : distance;
}

DLRM_INLINE void prefetch_bytes(const char* p, int64_t n) {
  for (int64_t k = 0; k < n; k += kLineBytes) __builtin_prefetch(p + k);
  if (n % kLineBytes) __builtin_prefetch(p + n - 1);
}

template <class Row>
DLRM_INLINE const char* row_at(const EmbeddingBagTable& t, int64_t i) {
  return static_cast<const char*>(t.weight) + Row::kElementBytes * t.weight_stride * t.indices[i];
}

// Columns [k, k + columns) of every bag in N vectors. Where columns is no multiple of the vector, the last one overlaps
// the one before it, or, if the row cannot be read there, is not full; kShort: a single vector that is not full.
template <class Row, int N, bool kShort, bool kScaled>
void sum_columns(const EmbeddingBagForward& a, Range bags, int64_t k, int64_t columns) {
  const EmbeddingBagTable t = a.table;  // a copy: stores to out cannot change it
  // The bytes of these columns; those of a whole row where they are all of it.
  const int64_t before = Row::kElementBytes == 1 ? 0 : k * Row::kElementBytes;
  const int64_t bytes = Row::kElementBytes == 1 ? Row::row_bytes(t.width) : columns * Row::kElementBytes;
  const int64_t last = kShort ? 0 : columns - Vec::W, distance = prefetch_distance(bytes);
  const int some = static_cast<int>(columns - (N - 1) * Vec::W);
  const bool partial = kShort || (!Row::kAnyStart && some < Vec::W);
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int64_t begin = t.offsets[b], end = t.offsets[b + 1];
    Vec sums[N];
    for (int n = 0; n < N; ++n) sums[n] = zero();
    for (int64_t i = begin; i < end; ++i) {
      if (i + distance < t.lookups) prefetch_bytes(row_at<Row>(t, i + distance) + before, bytes);
      const Row row(row_at<Row>(t, i), t.width);
      const Vec scale = kScaled ? set1(t.weights ? t.weights[i] : t.row_weights[t.indices[i]]) : zero();
      for (int n = 0; n < N; ++n) {
        const bool is_last = n == N - 1;
        const Vec x = is_last && partial ? row.some(k + n * Vec::W, some) : row.full(k + (is_last ? last : n * Vec::W));
        sums[n] = sums[n] + (kScaled ? scale * x : x);
      }
    }
    if (t.pooling == Pooling::mean && end - begin > 1) {
      const Vec count = set1(static_cast<float>(end - begin));
      for (int n = 0; n < N; ++n) sums[n] = sums[n] / count;
    }
    float* out = a.out + b * a.out_stride + k;
    for (int n = 0; n < N; ++n) {
      if (n == N - 1 && partial)
        store_n(out + n * Vec::W, sums[n], some);
      else
        store(out + (n < N - 1 ? n * Vec::W : last), sums[n]);
    }
  }
}

template <class Row, bool kScaled>
void sum_block(const EmbeddingBagForward& a, Range bags, int64_t k, int64_t columns) {
  if (columns < Vec::W) return sum_columns<Row, 1, true, kScaled>(a, bags, k, columns);
  switch ((columns + Vec::W - 1) / Vec::W) {
    case 1: return sum_columns<Row, 1, false, kScaled>(a, bags, k, columns);
    case 2: return sum_columns<Row, 2, false, kScaled>(a, bags, k, columns);
    case 3: return sum_columns<Row, 3, false, kScaled>(a, bags, k, columns);
    case 4: return sum_columns<Row, 4, false, kScaled>(a, bags, k, columns);
    case 5: return sum_columns<Row, 5, false, kScaled>(a, bags, k, columns);
    case 6: return sum_columns<Row, 6, false, kScaled>(a, bags, k, columns);
    case 7: return sum_columns<Row, 7, false, kScaled>(a, bags, k, columns);
    default: return sum_columns<Row, 8, false, kScaled>(a, bags, k, columns);
  }
}

template <class Row, bool kScaled>
void sum_bags(const EmbeddingBagForward& a, Range bags) {
  constexpr int64_t kBlock = kBlockVecs * Vec::W;
  for (int64_t k = 0; k < a.table.width; k += kBlock)
    sum_block<Row, kScaled>(a, bags, k, a.table.width - k < kBlock ? a.table.width - k : kBlock);
}

DLRM_INLINE Vec bits_of(int32_t n) {
  float bits;
  __builtin_memcpy(&bits, &n, sizeof bits);
  return set1(bits);
}

// As sum_columns; the positions are integers in vectors of floats, which only move them.
template <class Row, int N, bool kShort>
void max_columns(const EmbeddingBagForward& a, Range bags, int64_t k, int64_t columns) {
  const EmbeddingBagTable t = a.table;
  const int64_t before = Row::kElementBytes == 1 ? 0 : k * Row::kElementBytes;
  const int64_t bytes = Row::kElementBytes == 1 ? Row::row_bytes(t.width) : columns * Row::kElementBytes;
  const int64_t last = kShort ? 0 : columns - Vec::W, distance = prefetch_distance(bytes);
  const int some = static_cast<int>(columns - (N - 1) * Vec::W);
  const bool partial = kShort || (!Row::kAnyStart && some < Vec::W);
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const int32_t begin = t.offsets[b], end = t.offsets[b + 1];
    Vec best[N], at[N];
    for (int n = 0; n < N; ++n) {
      best[n] = zero();
      at[n] = bits_of(-1);
    }
    for (int32_t i = begin; i < end; ++i) {
      if (i + distance < t.lookups) prefetch_bytes(row_at<Row>(t, i + distance) + before, bytes);
      const Row row(row_at<Row>(t, i), t.width);
      const Vec here = bits_of(i);
      for (int n = 0; n < N; ++n) {
        const bool is_last = n == N - 1;
        const Vec x = is_last && partial ? row.some(k + n * Vec::W, some) : row.full(k + (is_last ? last : n * Vec::W));
        const Vec wins = x - best[n];  // > 0 if x is larger, infinities and all
        at[n] = i == begin ? here : where_positive(wins, here, at[n]);
        best[n] = i == begin ? x : where_positive(wins, x, best[n]);
      }
    }
    float* out = a.out + b * a.out_stride + k;
    float* positions = reinterpret_cast<float*>(a.positions + b * a.positions_stride + k);
    for (int n = 0; n < N; ++n) {
      const int64_t place = n < N - 1 || partial ? n * Vec::W : last;
      if (n == N - 1 && partial) {
        store_n(out + place, best[n], some);
        store_n(positions + place, at[n], some);
      } else {
        store(out + place, best[n]);
        store(positions + place, at[n]);
      }
    }
  }
}

template <class Row>
void max_bags(const EmbeddingBagForward& a, Range bags) {
  constexpr int64_t kBlock = 4 * Vec::W;
  for (int64_t k = 0; k < a.table.width; k += kBlock) {
    const int64_t columns = a.table.width - k < kBlock ? a.table.width - k : kBlock;
    if (columns < Vec::W)
      max_columns<Row, 1, true>(a, bags, k, columns);
    else if (columns <= Vec::W)
      max_columns<Row, 1, false>(a, bags, k, columns);
    else if (columns <= 2 * Vec::W)
      max_columns<Row, 2, false>(a, bags, k, columns);
    else
      columns <= 3 * Vec::W ? max_columns<Row, 3, false>(a, bags, k, columns) : max_columns<Row, 4, false>(a, bags, k, columns);
  }
}

template <class Row>
void forward_of(const EmbeddingBagForward& a, Range bags) {
  if (a.table.pooling == Pooling::max)
    max_bags<Row>(a, bags);
  else if (a.table.weights || a.table.row_weights)
    sum_bags<Row, true>(a, bags);
  else
    sum_bags<Row, false>(a, bags);
}

void forward(const EmbeddingBagForward& a, Range bags) {
  switch (a.table.dtype) {
    case DType::bf16: return forward_of<Bf16Row>(a, bags);
    case DType::f16: return forward_of<F16Row>(a, bags);
    case DType::int8: return forward_of<Int8Row>(a, bags);
    case DType::int4: return forward_of<Int4Row>(a, bags);
    default: return forward_of<F32Row>(a, bags);
  }
}

template <class Row>
DLRM_INLINE float dot(const float* x, const Row& y, int64_t n) {
  Vec even = zero(), odd = zero();
  int64_t k = 0;
  for (; k + 2 * Vec::W <= n; k += 2 * Vec::W) {
    even = fma(load(x + k), y.full(k), even);
    odd = fma(load(x + k + Vec::W), y.full(k + Vec::W), odd);
  }
  for (; k < n; k += Vec::W) {
    if (n - k < Vec::W) {
      const int rest = static_cast<int>(n - k);
      even = fma(load_n(x + k, rest), y.some(k, rest), even);
    } else {
      even = fma(load(x + k), y.full(k), even);
    }
  }
  return sum(even + odd);
}

template <class Row>
void backward_of(const EmbeddingBagBackward& a, Range bags) {
  const EmbeddingBagTable t = a.table;
  const int64_t bytes = Row::row_bytes(t.width), distance = prefetch_distance(bytes);
  for (int64_t b = bags.begin; b < bags.end; ++b) {
    const float* dout = a.dout + b * a.dout_stride;
    for (int64_t i = t.offsets[b]; i < t.offsets[b + 1]; ++i) {
      if (i + distance < t.lookups) prefetch_bytes(row_at<Row>(t, i + distance), bytes);
      a.dlookup[i] = dot(dout, Row(row_at<Row>(t, i), t.width), t.width);
    }
  }
}

// Quantised tables have no backward pass.
void backward(const EmbeddingBagBackward& a, Range bags) {
  switch (a.table.dtype) {
    case DType::bf16: return backward_of<Bf16Row>(a, bags);
    case DType::f16: return backward_of<F16Row>(a, bags);
    default: return backward_of<F32Row>(a, bags);
  }
}
