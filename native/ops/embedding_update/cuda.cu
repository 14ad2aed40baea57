// 1. Keys: every lookup of every table becomes (row, place of its gradient in dout), rows numbered through the tables.
// 2. A radix sort by row, stable, so that the lookups of a row keep their order: column after column, bag after bag.
// 3. A warp has 32 sorted keys, and updates the rows that begin among them; groups of lanes take rows in turn, kRowsAtOnce of
//    them at a time, 16 bytes a lane: weights, states and the first gradient are under way before the first sum. The rule is
//    applied where the sum is, in registers. Rows that continue from before are another warp's.
// 4. Rows of more than kHot lookups are put on a list instead (in whatever order: no result depends on it): pieces of kPiece
//    lookups are summed by a warp each, then a block per row adds them in their order and applies the rule.
// Whole tables: rows without a key are updated by a launch of their own.
//
// Bytes: 26 tables of 1M x 128 floats, 10 lookups a bag drawn evenly, B = 65,536: 17.0 M lookups of 12.5 M rows. Each row
// touched and its state (row-wise Adagrad: 4 bytes) read and written once: 12.9 GB; dout .87 GB; indices .07 GB: 13.8 GB, 4.1
// ms at the 3.35 TB/s of an H100, is the limit. This design moves more: sorting 8 bytes a lookup in 4 passes, 1.2 GB; keys
// made and read, .4 GB; and dout once per lookup, 8.7 GB, as far as the second-level cache does not have it: tables are done
// one after the other, a table's part of dout is 34 MB, and weights and states pass through the caches as first to go.
// Between all of it (23.2 GB: 59 % of the limit) and none (15.4 GB: 90 %).
#include "base/memory.h"
#include "cuda/parts.cuh"
#include "cuda/rules.cuh"
#include "cuda/sort.h"
#include "cuda/table_rows.cuh"
#include "ops/embedding_update/embedding_update.h"

namespace dlrm::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kUpdateThreads = 128, kRowsAtOnce = 2;
constexpr uint32_t kHot = 256, kPiece = 256;  // lookups
constexpr int kLookupsPerBlock = 1024;        // of keys
constexpr int kMaxColumns = 36, kMaxTables = 36;  // of a launch: parameters of at most 4 KB
constexpr int kRowsPerWarp = 32;              // of whole tables

#include "ops/embedding_update/cuda_rows.cuh"

struct KeyColumn {
  UpdateColumn column;
  uint32_t first, base;  // its first lookup among all; key of row 0
  int32_t first_block;
  uint32_t by_lookup;
};

struct KeyColumns {
  uint32_t *keys, *values;
  LookupSource* sources;
  int32_t count, batch;
  KeyColumn column[kMaxColumns];
};
static_assert(sizeof(KeyColumns) <= 4096, "parameters of a kernel");

__global__ void __launch_bounds__(kThreads) keys_kernel(const KeyColumns a) {
  __shared__ int bags[2];  // of the block's first and last lookup
  const KeyColumn& c = part_of_block(a.column, a.count);
  const int first = (static_cast<int>(blockIdx.x) - c.first_block) * kLookupsPerBlock;
  const int lookups = static_cast<int>(c.column.lookups), end = min(first + kLookupsPerBlock, lookups);
  if (threadIdx.x < 2) bags[threadIdx.x] = bag_between(c.column.offsets, 0, a.batch, threadIdx.x ? end - 1 : first);
  __syncthreads();
  for (int i = first + static_cast<int>(threadIdx.x); i < end; i += kThreads) {
    const int bag = bag_between(c.column.offsets, bags[0], bags[1] + 1, i);
    const uint32_t at = c.first + i;
    a.keys[at] = c.base + __ldg(c.column.indices + i);
    a.values[at] = c.by_lookup ? at : static_cast<uint32_t>(c.column.gradient_of(bag, i));
    if (c.by_lookup) a.sources[at] = source_of(c.column, bag, i);
  }
}

__global__ void no_hot_rows(unsigned long long* taken) {
  if (threadIdx.x == 0) *taken = 0;
}

__device__ __forceinline__ uint32_t pieces_of(uint32_t lookups) { return (lookups + kPiece - 1) / kPiece; }

// Puts the row whose keys begin here, more than kHot of them, on the list.
__device__ void note_hot(const Tables& a, int table, int tile, uint32_t first, uint32_t key) {
  uint32_t low = first + kHot, high = a.table[table].end;  // low has the key, high not
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (a.keys[middle] == key)
      low = middle;
    else
      high = middle;
  }
  const unsigned long long taken = atomicAdd(a.hot.taken, 1ull << 32 | pieces_of(high - first));
  a.hot.list[taken >> 32] = {first, high, static_cast<uint32_t>(taken), table, tile};
}

// The rows that begin in a tile of 32 keys: bit l of `heads` says that one begins at key begin + l; the last ends at `end`.
struct Tile {
  uint32_t begin, end;
  unsigned heads;
  uint32_t key, value;  // of this lane
};

// A hot row is put on the list and left out.
__device__ __forceinline__ Tile read_tile(const Tables& a, int table, int tile) {
  const Table& t = a.table[table];
  const uint32_t lane = threadIdx.x % kWarp, begin = t.first + static_cast<uint32_t>(tile - t.first_tile) * kWarp;
  const bool mine = begin + lane < t.end;
  const uint32_t key = mine ? __ldg(a.keys + begin + lane) : 0, value = mine ? __ldg(a.values + begin + lane) : 0;
  uint32_t before = __shfl_up_sync(kAllLanes, key, 1);
  if (lane == 0) before = begin > t.first ? __ldg(a.keys + begin - 1) : ~key;
  Tile all{begin, begin + kWarp < t.end ? begin + kWarp : t.end, __ballot_sync(kAllLanes, mine && key != before), key, value};
  if (!all.heads || all.end == t.end) return all;
  const int last = kWarp - 1 - __clz(static_cast<int>(all.heads));
  const uint32_t last_key = __shfl_sync(kAllLanes, key, last), first = begin + last;
  if (first + kHot < t.end && __ldg(a.keys + first + kHot) == last_key) {
    if (lane == 0) note_hot(a, table, tile, first, last_key);
    all.heads &= ~(1u << last);
    all.end = first;
    return all;
  }
  for (;;) {  // its keys behind the tile
    const unsigned others = __ballot_sync(kAllLanes, all.end + lane >= t.end || __ldg(a.keys + all.end + lane) != last_key);
    if (others) {
      all.end += __ffs(static_cast<int>(others)) - 1;
      return all;
    }
    all.end += kWarp;
  }
}

struct Segment {
  uint32_t begin = 0, end = 0, row = 0;
  uint32_t value = 0;  // of its first key
  float row_weight = 1;
};

// Takes the next of its rows for each group of lanes, and leaves out those of the other groups.
__device__ __forceinline__ Segment take(const Table& t, const Tile& tile, unsigned& left, int groups) {
  Segment s;
  const int place = left ? __ffs(static_cast<int>(left)) - 1 : 0;
  const uint32_t key = __shfl_sync(kAllLanes, tile.key, place);
  s.value = __shfl_sync(kAllLanes, tile.value, place);
  if (!left) return s;
  const unsigned rest = left & (left - 1);
  s.begin = tile.begin + place;
  s.end = rest ? tile.begin + __ffs(static_cast<int>(rest)) - 1 : tile.end;
  s.row = key - t.base;
  s.row_weight = t.row_weights ? __ldg(t.row_weights + s.row) : 1.0f;
  for (int g = 0; g < groups; ++g) left &= left - 1;
  return s;
}

// The first lookups of all rows are under way together.
template <int kCols>
__device__ __forceinline__ void sum_rows(const Tables& a, const Table& t, const Segment* s, int k, float (*g)[kCols]) {
  LookupSource from[kRowsAtOnce];
#pragma unroll
  for (int u = 0; u < kRowsAtOnce; ++u)
    if (s[u].begin < s[u].end) from[u] = lookup_of(a, t, s[u].value, s[u].row_weight);
#pragma unroll
  for (int u = 0; u < kRowsAtOnce; ++u)
    if (s[u].begin < s[u].end) load_gradient<kCols>(a, from[u], k, g[u]);
#pragma unroll
  for (int u = 0; u < kRowsAtOnce; ++u)
    if (s[u].begin + 1 < s[u].end) add_gradients<kCols, 2>(a, t, s[u].begin + 1, s[u].end, s[u].row_weight, k, g[u]);
}

// What a tile's rows get, `lane` of the group having columns lane * kCols and so on.
template <class W, class Rule, int kCols>
struct PerWeight {
  Rule rule;
  float scale;
  __device__ __forceinline__ PerWeight(const Tables&, const RuleStep& step) : rule(step), scale(step.scale) {}

  __device__ __forceinline__ void operator()(const Tables& a, const Table& t, const Segment* s, int lane) const {
    const int lanes = 1 << t.lane_bits;
    for (int k = lane * kCols; k < t.width; k += lanes * kCols) {
      Columns<W, Rule::kStates, kCols> columns[kRowsAtOnce];
      float g[kRowsAtOnce][kCols];
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end) columns[u].load(t, s[u].row, k);
      sum_rows<kCols>(a, t, s, k, g);
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end)
          columns[u].update(t, s[u].row, k, random_of<W>(t, s[u].row), [&](float w, int n, float* state) { return rule(w, scale * g[u][n], state); });
    }
  }
  __device__ __forceinline__ void finish(const Tables&, int) const {}
};

// The sum over the lanes of each group, in all of them.
__device__ __forceinline__ float group_sum(float x, int lanes) {
  for (int step = lanes / 2; step; step /= 2) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

// A row that one turn of the group holds stays in registers between the two passes over it.
template <class W, int kCols>
struct PerWeight<W, RowwiseAdagrad, kCols> {
  RowwiseAdagrad rule;
  float scale;
  __device__ __forceinline__ PerWeight(const Tables&, const RuleStep& step) : rule(step), scale(step.scale) {}

  __device__ __forceinline__ void operator()(const Tables& a, const Table& t, const Segment* s, int lane) const {
    const int step = kCols << t.lane_bits;
    Columns<W, 0, kCols> columns[kRowsAtOnce];
    float g[kRowsAtOnce][kCols], squares[kRowsAtOnce] = {}, state[kRowsAtOnce];
    const auto load = [&](int k) {
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end) columns[u].load(t, s[u].row, k);
      sum_rows<kCols>(a, t, s, k, g);
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end)
          for (int n = 0; n < kCols; ++n) g[u][n] = scale * g[u][n] + rule.weight_decay * columns[u].w[n];
    };
#pragma unroll
    for (int u = 0; u < kRowsAtOnce; ++u)
      if (s[u].begin < s[u].end) state[u] = t.state[0][static_cast<int64_t>(s[u].row) * t.state_stride[0]];
    for (int k = lane * kCols; k < t.width; k += step) {
      load(k);
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end)
          for (int n = 0; n < kCols; ++n) squares[u] += g[u][n] * g[u][n];
    }
    float factor[kRowsAtOnce];
#pragma unroll
    for (int u = 0; u < kRowsAtOnce; ++u) {
      squares[u] = group_sum(squares[u], 1 << t.lane_bits);  // a barrier too: all lanes have read the state
      if (s[u].begin >= s[u].end) continue;
      factor[u] = rule.factor(squares[u] / static_cast<float>(t.width), &state[u]);
      if (lane == 0) t.state[0][static_cast<int64_t>(s[u].row) * t.state_stride[0]] = state[u];
    }
    for (int k = lane * kCols; k < t.width; k += step) {
      if (t.width > step) load(k);
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end)
          columns[u].update(t, s[u].row, k, random_of<W>(t, s[u].row), [&](float w, int n, float*) { return rule(w, g[u][n], factor[u]); });
    }
  }
  __device__ __forceinline__ void finish(const Tables&, int) const {}
};

template <class W, int kCols>
struct PerWeight<W, Squares, kCols> {
  double sum = 0;
  __device__ __forceinline__ PerWeight(const Tables&, const RuleStep&) {}

  __device__ __forceinline__ void operator()(const Tables& a, const Table& t, const Segment* s, int lane) {
    for (int k = lane * kCols; k < t.width; k += kCols << t.lane_bits) {
      float g[kRowsAtOnce][kCols];
      sum_rows<kCols>(a, t, s, k, g);
#pragma unroll
      for (int u = 0; u < kRowsAtOnce; ++u)
        if (s[u].begin < s[u].end)
          for (int n = 0; n < kCols; ++n) sum += static_cast<double>(g[u][n]) * g[u][n];
    }
  }
  __device__ __forceinline__ void finish(const Tables& a, int tile) const {
    const double total = warp_sum(sum);
    if (threadIdx.x % kWarp == 0) a.squares[tile] = total;
  }
};

// Blocks of a multiprocessor: as many as make no spills.
template <class Rule, int kCols>
constexpr int update_blocks = kCols == 1 ? 6 : 6 - Rule::kStates;
template <int kCols>
constexpr int update_blocks<RowwiseAdagrad, kCols> = kCols == 1 ? 6 : 4;

template <class W, class Rule, int kCols>
__global__ void __launch_bounds__(kUpdateThreads, update_blocks<Rule, kCols>) update_kernel(const Tables a) {
  const int index = static_cast<int>(blockIdx.x * (kUpdateThreads / kWarp) + threadIdx.x / kWarp);
  if (index >= a.tiles) return;
  const int table = table_of(a, index);
  const Table& t = a.table[table];
  const Tile tile = read_tile(a, table, index);
  const int lane = threadIdx.x % kWarp, groups = kWarp >> t.lane_bits;
  unsigned left = tile.heads;
  for (int g = 0; g < lane >> t.lane_bits; ++g) left &= left - 1;
  PerWeight<W, Rule, kCols> update(a, rule_step(a));
  for (int rows = __popc(tile.heads); rows > 0; rows -= groups * kRowsAtOnce) {
    Segment s[kRowsAtOnce];
#pragma unroll
    for (int u = 0; u < kRowsAtOnce; ++u) s[u] = take(t, tile, left, groups);
    update(a, t, s, lane & ((1 << t.lane_bits) - 1));
  }
  update.finish(a, index);
}

// *to (+)= the sum of each block's share, in an order that depends on n alone.
constexpr int64_t kNumbersPerBlock = 16384;  // 2^31 lookups have fewer tiles than its square
__global__ void __launch_bounds__(kThreads) total_kernel(const double* from, int64_t n, double* to, bool add) {
  __shared__ double parts[kWarps];
  const int64_t first = blockIdx.x * kNumbersPerBlock, end = first + kNumbersPerBlock < n ? first + kNumbersPerBlock : n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) sum += from[i];
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) to[blockIdx.x] = add ? to[blockIdx.x] + sum : sum;
}

#include "ops/embedding_update/cuda_hot.inl"
#include "ops/embedding_update/cuda_launch.inl"

}  // namespace
}  // namespace dlrm::cuda

namespace dlrm {
const EmbeddingUpdateCuda embedding_update_cuda = {cuda::scratch_bytes, cuda::forward};
}
