// Tables of few rows: a sum per row instead of a sort. Included once per ISA after kernel.inl.

DLRM_INLINE float scale_of(const EmbeddingUpdateArgs& a, const UpdateColumn& c, int64_t bag, int64_t i) {
  return a.row_weights ? a.row_weights[c.indices[i]] : c.scale_of(bag, i);
}

// One lookup of a column into its row's sum. kVecs: vectors of a row, the last of them of `rest` numbers; 0: any number.
template <int kVecs, bool kScaled>
DLRM_INLINE void add_lookup(float* sum, const float* dout, float scale, int64_t width, int rest) {
  if (kVecs == 0) return add_scaled<false>(sum, scale, dout, width);
  for (int n = 0; n < kVecs; ++n) {
    const Vec d = n < kVecs - 1 ? load(dout + n * Vec::W) : load_n(dout + n * Vec::W, rest);
    store(sum + n * Vec::W, load(sum + n * Vec::W) + (kScaled ? set1(scale) * d : d));
  }
}

template <int kVecs, bool kScaled>
void sum_column(const EmbeddingUpdateArgs& args, const UpdateColumn& column, Range part, float* sums, uint8_t* touched) {
  const EmbeddingUpdateArgs a = args;
  const UpdateColumn c = column;
  const int64_t floats = sum_floats(a.width);
  const int rest = static_cast<int>(a.width - (kVecs - 1) * Vec::W);
  for (int64_t bag = c.bag_of(part.begin, a.batch), i = part.begin; i < part.end; ++bag) {
    const int64_t end = c.offsets[bag + 1] < part.end ? c.offsets[bag + 1] : part.end;
    for (; i < end; ++i) {
      const int64_t row = c.indices[i];
      const float scale = kScaled ? scale_of(a, c, bag, i) : 1.0f;
      add_lookup<kVecs, kScaled>(sums + row * floats, a.dout + c.gradient_of(bag, i), scale, a.width, rest);
      touched[row] = 1;
    }
  }
}

template <bool kScaled>
void sum_numbers(const EmbeddingUpdateArgs& a, const UpdateColumn& column, Range part, float* sums, uint8_t* touched) {
  const UpdateColumn c = column;
  for (int64_t bag = c.bag_of(part.begin, a.batch), i = part.begin; i < part.end; ++bag) {
    const int64_t end = c.offsets[bag + 1] < part.end ? c.offsets[bag + 1] : part.end;
    for (; i < end; ++i) {
      const float d = a.dout[c.gradient_of(bag, i)];
      sums[c.indices[i]] += kScaled ? scale_of(a, c, bag, i) * d : d;
      touched[c.indices[i]] = 1;
    }
  }
}

void sum_max(const EmbeddingUpdateArgs& a, const UpdateColumn& c, Range part, float* sums, uint8_t* touched) {
  int64_t bag = c.bag_of(part.begin, a.batch);
  for (int64_t i = part.begin; i < part.end; ++i) {
    while (i >= c.offsets[bag + 1]) ++bag;
    const int64_t row = c.indices[i];
    add_won(sums + row * sum_floats(a.width), false, static_cast<int32_t>(i), a.dout + c.gradient_of(bag, i),
            a.positions + c.positions + bag * c.positions_stride, a.width);
    touched[row] = 1;
  }
}

template <bool kScaled>
void sum_width(const EmbeddingUpdateArgs& a, const UpdateColumn& c, Range part, float* sums, uint8_t* touched) {
  if (a.width == 1) return sum_numbers<kScaled>(a, c, part, sums, touched);
  switch ((a.width + Vec::W - 1) / Vec::W) {
    case 1: return sum_column<1, kScaled>(a, c, part, sums, touched);
    case 2: return sum_column<2, kScaled>(a, c, part, sums, touched);
    case 3: return sum_column<3, kScaled>(a, c, part, sums, touched);
    case 4: return sum_column<4, kScaled>(a, c, part, sums, touched);
    default: return sum_column<0, true>(a, c, part, sums, touched);
  }
}

void sum(const EmbeddingUpdateArgs& a, Range range, int64_t slice) {
  float* sums = a.sums + slice * a.rows * sum_floats(a.width);
  uint8_t* touched = a.touched + slice * a.rows;
  for (int64_t k = 0; k < a.column_count; ++k) {
    const UpdateColumn& c = a.columns[k];
    const int64_t begin = range.begin - c.first, end = range.end - c.first;
    const Range part = {begin > 0 ? begin : 0, end < c.lookups ? end : c.lookups};
    if (part.begin >= part.end) continue;
    if (c.pooling == Pooling::max)
      sum_max(a, c, part, sums, touched);
    else if (c.pooling == Pooling::mean || c.weights || a.row_weights)
      sum_width<true>(a, c, part, sums, touched);
    else
      sum_width<false>(a, c, part, sums, touched);
  }
}

DLRM_INLINE bool is_touched(const EmbeddingUpdateArgs& a, int64_t row) {
  uint8_t touched = 0;
  for (int64_t slice = 0; slice < a.slices; ++slice) touched |= a.touched[slice * a.rows + row];
  return touched != 0;
}

// The sums of all slices in the first.
void add_slices(const EmbeddingUpdateArgs& a, Range rows) {
  const int64_t floats = sum_floats(a.width), n = (rows.end - rows.begin) * floats;
  float* first = a.sums + rows.begin * floats;
  for (int64_t slice = 1; slice < a.slices; ++slice) {
    const float* __restrict more = first + slice * a.rows * floats;
    for (int64_t k = 0; k < n; ++k) first[k] += more[k];
  }
}

template <class Apply>
void update_touched(const EmbeddingUpdateArgs& args, Range rows, float* room) {
  const EmbeddingUpdateArgs a = args;
  const Apply apply(a.rule);
  const int64_t floats = sum_floats(a.width);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (is_touched(a, row))
      apply(a, row, a.sums + row * floats, room, a.width);
    else if (a.whole)
      apply.rest(a, row, 1, room, a.width);
  }
}

// Rows of one number lie side by side: those touched in a row are as one row of a wider table.
template <class Apply>
void update_numbers(const EmbeddingUpdateArgs& args, Range rows) {
  const EmbeddingUpdateArgs a = args;
  const Apply apply(a.rule);
  for (int64_t row = rows.begin; row < rows.end;) {
    int64_t end = row;
    while (end < rows.end && (a.whole || is_touched(a, end))) ++end;
    if (end > row) apply(a, row, a.sums + row, nullptr, end - row);
    row = end + 1;
  }
}

template <class Formula, class T>
void update_each(const EmbeddingUpdateArgs& a, Range rows, float* room) {
  bool numbers = T::kFloats && a.width == 1 && a.weight_stride == 1;
  for (int s = 0; s < Formula::kStates; ++s) numbers = numbers && a.state_stride[s] == 1;
  if (numbers)
    update_numbers<PerWeight<Formula, T>>(a, rows);
  else
    update_touched<PerWeight<Formula, T>>(a, rows, room);
}

template <class T>
void update_sums_of(const EmbeddingUpdateArgs& a, Range rows, float* room) {
  switch (a.rule.kind) {
    case RuleKind::momentum: return update_each<Momentum, T>(a, rows, room);
    case RuleKind::adagrad: return update_each<Adagrad, T>(a, rows, room);
    case RuleKind::rowwise_adagrad: return update_touched<PerRow<T>>(a, rows, room);
    case RuleKind::adam: return update_each<Adam, T>(a, rows, room);
    case RuleKind::ftrl: return update_each<Ftrl, T>(a, rows, room);
    default: return update_each<Sgd, T>(a, rows, room);
  }
}

void update_sums(const EmbeddingUpdateArgs& a, Range rows, float* room) {
  add_slices(a, rows);
  switch (a.dtype) {
    case DType::bf16: return update_sums_of<HalfTable<Bf16>>(a, rows, room);
    case DType::f16: return update_sums_of<HalfTable<F16>>(a, rows, room);
    default: return update_sums_of<F32Table>(a, rows, room);
  }
}

double squares(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  if (!a.slices) return squares_by_keys(a, range, gradient);
  const int64_t floats = sum_floats(a.width);
  double sum = 0;
  for (int64_t row = range.begin; row < range.end; ++row) {
    if (!is_touched(a, row)) continue;
    add_scaled<true>(gradient, 1, a.sums + row * floats, a.width);
    for (int64_t slice = 1; slice < a.slices; ++slice)
      add_scaled<false>(gradient, 1, a.sums + (slice * a.rows + row) * floats, a.width);
    sum += total_squares(gradient, a.width);
  }
  return sum;
}
