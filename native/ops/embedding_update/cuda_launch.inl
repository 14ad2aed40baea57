// The host's side of the kernels: what goes where in scratch, and which kernels run. Included once, by cuda.cu.

// Tables [begin, end), sorted together.
struct Group {
  int64_t begin, end;
  int64_t rows = 0, lookups = 0, tiles = 0;
  bool by_lookup = false;
  int bits = 1;  // of a key
  HotRows hot{};
  uint32_t *keys = nullptr, *values = nullptr, *sorted_keys = nullptr, *sorted_values = nullptr;
  LookupSource* sources = nullptr;
  size_t sort_bytes = 0;
  void* sort_scratch = nullptr;
  double* squares = nullptr;
};

bool is_by_lookup(const EmbeddingUpdateArgs& a) {
  for (int64_t c = 0; c < a.column_count; ++c)
    if (a.columns[c].weights || a.columns[c].pooling != Pooling::sum) return true;
  return false;
}

int64_t tiles_of(const EmbeddingUpdateArgs& a) { return blocks(a.lookups, kWarp); }

void add_hot(HotRows& hot, const EmbeddingUpdateArgs& a) {
  if (a.lookups <= kHot) return;
  hot.most += a.lookups / kHot;
  hot.most_parts += a.lookups / kHot + a.lookups / kPiece;
}

// As many tables from `begin` on as 32 bits of key and place have room for.
Group next_group(const EmbeddingUpdateJob& job, int64_t begin) {
  constexpr int64_t kMostRows = int64_t{1} << 32, kMostLookups = INT32_MAX;
  Group group{begin, begin};
  for (; group.end < job.count; ++group.end) {
    const EmbeddingUpdateArgs& a = job.tables[group.end];
    if (group.end > begin && (group.rows + a.rows > kMostRows || group.lookups + a.lookups > kMostLookups)) break;
    group.rows += a.rows;
    group.lookups += a.lookups;
    group.tiles += tiles_of(a);
    group.by_lookup |= is_by_lookup(a);
    group.hot.part_floats = a.width > group.hot.part_floats ? a.width : group.hot.part_floats;
    add_hot(group.hot, a);
  }
  while (int64_t{1} << group.bits < group.rows) ++group.bits;
  return group;
}

// The same for a call with `squares` as for the one that comes `again`.
void carve(Carver& carver, Group& g) {
  const int64_t n = g.lookups;
  g.sorted_keys = carver.take<uint32_t>(n);
  g.sorted_values = carver.take<uint32_t>(n);
  g.sources = carver.take<LookupSource>(g.by_lookup ? n : 0);
  Carver before = carver, after = carver;  // what the sort needs, and in its place what the updates need
  g.keys = before.take<uint32_t>(n);
  g.values = before.take<uint32_t>(n);
  g.sort_bytes = n ? sort_pairs_bytes(n, g.bits) : 0;
  g.sort_scratch = before.take<char>(static_cast<int64_t>(g.sort_bytes));
  g.hot.part_floats = blocks(g.hot.part_floats, 4) * 4;
  g.hot.taken = after.take<unsigned long long>(1);
  g.hot.list = after.take<HotRow>(g.hot.most);
  g.hot.parts = after.take<float>(g.hot.most_parts * g.hot.part_floats);
  g.squares = after.take<double>(g.tiles + blocks(g.tiles, kNumbersPerBlock));
  carver.take<char>(static_cast<int64_t>((before.used() > after.used() ? before : after).used() - carver.used()));
}

void sort_lookups(const EmbeddingUpdateJob& job, const Group& g, CudaStream stream) {
  KeyColumns keys{};
  int64_t grid = 0, first = 0, base = 0;
  const auto flush = [&] {
    launch(keys_kernel, grid, kThreads, 0, stream, keys);
    grid = keys.count = 0;
  };
  keys.keys = g.keys;
  keys.values = g.values;
  keys.sources = g.sources;
  keys.batch = static_cast<int32_t>(job.batch);
  for (int64_t t = g.begin; t < g.end; ++t) {
    const EmbeddingUpdateArgs& a = job.tables[t];
    for (int64_t c = 0; c < a.column_count; ++c) {
      const UpdateColumn& column = a.columns[c];
      if (!column.lookups) continue;
      if (keys.count == kMaxColumns) flush();
      keys.column[keys.count++] = {column, static_cast<uint32_t>(first + column.first), static_cast<uint32_t>(base),
                                   static_cast<int32_t>(grid), is_by_lookup(a)};
      grid += blocks(column.lookups, kLookupsPerBlock);
    }
    first += a.lookups;
    base += a.rows;
  }
  flush();
  sort_pairs(g.keys, g.sorted_keys, g.values, g.sorted_values, g.lookups, g.bits, g.sort_scratch, g.sort_bytes, stream);
}

// May 4 neighbouring columns be read at once?
bool is_wide(const EmbeddingUpdateArgs& a) {
  bool wide = a.width % 4 == 0 && a.weight_stride % 4 == 0 && aligned(a.weight, 4 * dtype_bytes(a.dtype)) && aligned(a.dout, 16);
  for (int s = 0; s < 2 && a.rule.kind != RuleKind::rowwise_adagrad; ++s)
    wide = wide && a.state_stride[s] % 4 == 0 && aligned(a.state[s], 16);
  for (int64_t c = 0; c < a.column_count; ++c)
    wide = wide && a.columns[c].gradient % 4 == 0 && a.columns[c].gradient_stride % 4 == 0;
  return wide;
}

Table table_from(const EmbeddingUpdateArgs& a, const RoundingKey* rounding, int64_t first, int64_t base, bool wide) {
  Table t{};
  t.weight = static_cast<char*>(a.weight);
  t.row_weights = a.row_weights;
  t.rounding = rounding;
  t.weight_stride = static_cast<uint32_t>(a.weight_stride);
  for (int s = 0; s < 2; ++s) {
    t.state[s] = a.state[s];
    t.state_stride[s] = static_cast<uint32_t>(a.state_stride[s]);
  }
  t.first = static_cast<uint32_t>(first);
  t.end = static_cast<uint32_t>(first + a.lookups);
  t.base = static_cast<uint32_t>(base);
  t.rows = static_cast<int32_t>(a.rows);
  t.width = static_cast<int32_t>(a.width);
  t.lane_bits = static_cast<uint8_t>(lane_bits_of(a.width, wide ? 4 : 1));
  t.by_lookup = is_by_lookup(a);
  return t;
}

template <class W, class Rule, int kCols>
void launch_tiles(const Tables& a, CudaStream stream) {
  launch(update_kernel<W, Rule, kCols>, blocks(a.tiles, kUpdateThreads / kWarp), kUpdateThreads, 0, stream, a);
}

template <class W, int kCols>
void launch_rule(const Tables& a, CudaStream stream) {
  switch (a.kind) {
    case RuleKind::momentum: return launch_tiles<W, Momentum, kCols>(a, stream);
    case RuleKind::adagrad: return launch_tiles<W, Adagrad, kCols>(a, stream);
    case RuleKind::rowwise_adagrad: return launch_tiles<W, RowwiseAdagrad, kCols>(a, stream);
    case RuleKind::adam: return launch_tiles<W, Adam, kCols>(a, stream);
    case RuleKind::ftrl: return launch_tiles<W, Ftrl, kCols>(a, stream);
    default: return launch_tiles<W, Sgd, kCols>(a, stream);
  }
}

constexpr int64_t kMostBlocks = 2048;

template <class W, int kCols>
void launch_update(const Tables& a, CudaStream stream) {
  const auto at_most = [](int64_t n) { return n < kMostBlocks ? n : kMostBlocks; };
  if (a.hot.most) launch(no_hot_rows, 1, kWarp, 0, stream, a.hot.taken);
  if (a.squares)
    launch_tiles<F32Weights, Squares, kCols>(a, stream);
  else
    launch_rule<W, kCols>(a, stream);
  if (!a.hot.most) return;
  launch(pieces_kernel<kCols>, at_most(blocks(a.hot.most_parts, kWarps)), kThreads, 0, stream, a);
  launch(join_kernel<W>, at_most(a.hot.most), kThreads, 0, stream, a);
}

template <class W, int kCols>
void launch_rest(const Tables& a, CudaStream stream) {
  launch(rest_kernel<W, kCols>, blocks(a.tiles, kWarps), kThreads, 0, stream, a);
}

template <class W, int kCols>
void launch_one(const Tables& a, bool rest, CudaStream stream) {
  rest ? launch_rest<W, kCols>(a, stream) : launch_update<W, kCols>(a, stream);
}

template <class W>
void launch_all(const Tables& a, bool wide, bool rest, CudaStream stream) {
  wide ? launch_one<W, 4>(a, rest, stream) : launch_one<W, 1>(a, rest, stream);
}

// Does the rule change a row whose gradient is 0?
bool changes_rest(const EmbeddingUpdateArgs& a) {
  if (!a.whole || a.rule.kind == RuleKind::ftrl) return false;
  const bool plain = a.rule.kind == RuleKind::sgd || a.rule.kind == RuleKind::rowwise_adagrad;
  return !plain || a.rule.weight_decay != 0;
}

// The tables of a group that are of this type, read this way: a tile is 32 keys, or, of the rest, kRowsPerWarp rows. As few
// launches as their number allows. square: tiles so far, whose squares lie before these.
void update_tables(const EmbeddingUpdateJob& job, const Group& g, bool wide, bool rest, int64_t& square, CudaStream stream) {
  Tables a{};
  int64_t first = 0, base = 0;
  const auto flush = [&] {
    if (a.squares) a.squares = g.squares + square;
    square += a.tiles;
    const DType dtype = job.tables[g.begin].dtype;
    if (a.tiles) dtype == DType::bf16   ? launch_all<HalfWeights<Bf16>>(a, wide, rest, stream)
                 : dtype == DType::f16 ? launch_all<HalfWeights<F16>>(a, wide, rest, stream)
                                       : launch_all<F32Weights>(a, wide, rest, stream);
    a.count = a.tiles = 0;
    a.hot.most = a.hot.most_parts = 0;
  };
  const EmbeddingUpdateArgs& any = job.tables[g.begin];
  a.keys = g.sorted_keys;
  a.values = g.sorted_values;
  a.sources = g.sources;
  a.dout = any.dout;
  a.positions = any.positions;
  a.rule = job.rule;
  a.scale = job.scale;
  a.squares = job.squares ? g.squares : nullptr;
  a.hot = g.hot;
  a.hot.most = a.hot.most_parts = 0;
  a.kind = any.rule.kind;
  for (int64_t t = g.begin; t < g.end; ++t) {
    const EmbeddingUpdateArgs& table = job.tables[t];
    const int64_t tiles = rest ? (changes_rest(table) ? blocks(table.rows, kRowsPerWarp) : 0) : tiles_of(table);
    if (tiles && is_wide(table) == wide) {
      if (a.count == kMaxTables) flush();
      a.table[a.count] = table_from(table, job.rounding + t, first, base, wide);
      a.table[a.count++].first_tile = a.tiles;
      a.tiles += static_cast<int32_t>(tiles);
      if (!rest) add_hot(a.hot, table);
    }
    first += table.lookups;
    base += table.rows;
  }
  flush();
}

void add_squares(const Group& g, double* to, CudaStream stream) {
  const int64_t n = blocks(g.tiles, kNumbersPerBlock);
  launch(total_kernel, n, kThreads, 0, stream, g.squares, g.tiles, g.squares + g.tiles, false);
  launch(total_kernel, 1, kThreads, 0, stream, g.squares + g.tiles, n, to, true);
}

size_t scratch_bytes(const EmbeddingUpdateJob& job) {
  Carver carver(nullptr);
  for (int64_t t = 0; t < job.count;) {
    Group group = next_group(job, t);
    carve(carver, group);
    t = group.end;
  }
  return carver.used();
}

void forward(const EmbeddingUpdateJob& job, CudaStream stream) {
  Carver carver(job.scratch);
  for (int64_t t = 0; t < job.count;) {
    Group group = next_group(job, t);
    carve(carver, group);
    t = group.end;
    int64_t square = 0;
    if (group.lookups && !job.again) sort_lookups(job, group, stream);
    for (const bool wide : {true, false}) {
      update_tables(job, group, wide, false, square, stream);
      if (!job.squares) update_tables(job, group, wide, true, square, stream);
    }
    if (job.squares && group.lookups) add_squares(group, job.squares, stream);
  }
}
