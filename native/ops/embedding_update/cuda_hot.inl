// The rows that the tiles leave out: hot ones, and those of whole tables without a lookup. Included once, by cuda.cu.

// A warp per piece of a hot row; its groups of lanes have parts of it, which are added at the end.
template <int kCols>
__global__ void __launch_bounds__(kThreads, 4) pieces_kernel(const Tables a) {
  const unsigned long long taken = *a.hot.taken;
  const int rows = static_cast<int>(taken >> 32), lane = threadIdx.x % kWarp;
  for (uint32_t part = blockIdx.x * kWarps + threadIdx.x / kWarp; part < static_cast<uint32_t>(taken); part += gridDim.x * kWarps) {
    int low = 0, high = rows;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (a.hot.list[middle].first_part <= part)
        low = middle;
      else
        high = middle;
    }
    const HotRow hot = a.hot.list[low];
    const Table& t = a.table[hot.table];
    const uint32_t row = a.keys[hot.first] - t.base;
    const uint32_t begin = hot.first + (part - hot.first_part) * kPiece, end = begin + kPiece < hot.end ? begin + kPiece : hot.end;
    const uint32_t groups = kWarp >> t.lane_bits, group = lane >> t.lane_bits, n = end - begin;
    const int lanes = 1 << t.lane_bits, own = (lane & (lanes - 1)) * kCols;
    const float row_weight = t.row_weights ? t.row_weights[row] : 1.0f;
    for (int turn = 0; turn < t.width; turn += lanes * kCols) {
      const int k = turn + own;
      float sum[kCols] = {};
      if (k < t.width) add_gradients<kCols, 4>(a, t, begin + n * group / groups, begin + n * (group + 1) / groups, row_weight, k, sum);
      for (int step = lanes; step < kWarp; step *= 2)
        for (int c = 0; c < kCols; ++c) sum[c] += __shfl_xor_sync(kAllLanes, sum[c], step);
      if (group == 0 && k < t.width) store_floats<kCols>(a.hot.parts + part * a.hot.part_floats + k, sum, true);
    }
  }
}

// The sum of a hot row's pieces takes the place of the first.
__device__ __forceinline__ void join(float* parts, int64_t part_floats, uint32_t pieces, int width) {
  __shared__ float sums[kWarps][kWarp];
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  for (int turn = 0; turn < width; turn += kWarp) {
    const int k = turn + static_cast<int>(lane);
    float sum = 0;
    if (k < width) {
#pragma unroll 4
      for (uint32_t p = pieces * warp / kWarps; p < pieces * (warp + 1) / kWarps; ++p) sum += parts[p * part_floats + k];
    }
    sums[warp][lane] = sum;
    __syncthreads();
    for (int w = 1; warp == 0 && w < kWarps; ++w) sum += sums[w][lane];
    if (warp == 0 && k < width) parts[k] = sum;
    __syncthreads();
  }
}

// The rule for a whole row by all threads of a block.
template <class W>
__device__ __forceinline__ void apply_row(const Tables& a, const Table& t, const RuleStep& step, uint32_t row, const float* g) {
  if (a.kind != RuleKind::rowwise_adagrad) {
    for (int k = threadIdx.x; k < t.width; k += kThreads) apply<W, 1>(a, t, step, row, k, g + k);
    return;
  }
  __shared__ float parts[kWarps];
  const RowwiseAdagrad rule(step);
  Columns<W, 0, 1> column;
  float squares = 0, *state = t.state[0] + static_cast<int64_t>(row) * t.state_stride[0], after = *state;
  const auto decayed = [&](int k) {
    column.load(t, row, k);
    return step.scale * g[k] + rule.weight_decay * column.w[0];
  };
  for (int k = threadIdx.x; k < t.width; k += kThreads) {
    const float d = decayed(k);
    squares += d * d;
  }
  const float factor = rule.factor(block_sum(squares, parts) / static_cast<float>(t.width), &after);
  if (threadIdx.x == 0) *state = after;
  for (int k = threadIdx.x; k < t.width; k += kThreads) {
    const float d = decayed(k);
    column.update(t, row, k, random_of<W>(t, row), [&](float w, int, float*) { return rule(w, d, factor); });
  }
}

template <class W>
__global__ void __launch_bounds__(kThreads, 3) join_kernel(const Tables a) {
  __shared__ double parts[kWarps];
  const int rows = static_cast<int>(*a.hot.taken >> 32);
  for (int h = static_cast<int>(blockIdx.x); h < rows; h += static_cast<int>(gridDim.x)) {
    const HotRow hot = a.hot.list[h];
    const Table& t = a.table[hot.table];
    float* g = a.hot.parts + hot.first_part * a.hot.part_floats;
    join(g, a.hot.part_floats, pieces_of(hot.end - hot.first), t.width);
    if (!a.squares) {
      apply_row<W>(a, t, rule_step(a), a.keys[hot.first] - t.base, g);
    } else {
      double sum = 0;
      for (int k = threadIdx.x; k < t.width; k += kThreads) sum += static_cast<double>(g[k]) * g[k];
      sum = block_sum(sum, parts);
      if (threadIdx.x == 0) a.squares[hot.tile] += sum;
    }
    __syncthreads();
  }
}

// Rows of whole tables that have no key: a gradient of 0. A tile is kRowsPerWarp rows here.
template <class W, int kCols>
__global__ void __launch_bounds__(kThreads, 3) rest_kernel(const Tables a) {
  const int index = static_cast<int>(blockIdx.x * kWarps + threadIdx.x / kWarp), lane = threadIdx.x % kWarp;
  if (index >= a.tiles) return;
  const Table& t = a.table[table_of(a, index)];
  const uint32_t first = static_cast<uint32_t>(index - t.first_tile) * kRowsPerWarp, row = first + lane;
  uint32_t low = t.first, high = t.end;  // the first key that is not below the row's
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (__ldg(a.keys + middle) < t.base + row)
      low = middle + 1;
    else
      high = middle;
  }
  const bool touched = low < t.end && __ldg(a.keys + low) == t.base + row;
  const unsigned rest = __ballot_sync(kAllLanes, row < static_cast<uint32_t>(t.rows) && !touched);
  const int lanes = 1 << t.lane_bits, groups = kWarp >> t.lane_bits, own = (lane & (lanes - 1)) * kCols;
  const RuleStep step = rule_step(a);
  const float zeros[kCols] = {};
  unsigned left = rest;
  for (int g = 0; g < lane >> t.lane_bits; ++g) left &= left - 1;
  for (int rows = __popc(rest); rows > 0; rows -= groups) {
    const uint32_t r = first + static_cast<uint32_t>(__ffs(static_cast<int>(left)) - 1);
    if (a.kind != RuleKind::rowwise_adagrad) {
      for (int k = own; left && k < t.width; k += lanes * kCols) apply<W, kCols>(a, t, step, r, k, zeros);
    } else {
      const RowwiseAdagrad rule(step);
      Columns<W, 0, kCols> columns;
      float squares = 0, *state = left ? t.state[0] + static_cast<int64_t>(r) * t.state_stride[0] : nullptr, after = left ? *state : 0;
      for (int k = own; left && k < t.width; k += lanes * kCols) {
        columns.load(t, r, k);
        for (int n = 0; n < kCols; ++n) squares += rule.weight_decay * columns.w[n] * (rule.weight_decay * columns.w[n]);
      }
      const float factor = rule.factor(group_sum(squares, lanes) / static_cast<float>(t.width), &after);
      if (left && own == 0) *state = after;
      for (int k = own; left && k < t.width; k += lanes * kCols) {
        columns.load(t, r, k);
        columns.update(t, r, k, random_of<W>(t, r), [&](float w, int, float*) { return rule(w, rule.weight_decay * w, factor); });
      }
    }
    for (int g = 0; g < groups; ++g) left &= left - 1;
  }
}
