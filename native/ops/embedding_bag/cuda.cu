// A group of lanes pools a bag: each lane has up to 16 bytes of a row, so a row is one coalesced read (of 512 bytes by a
// warp at most; wider rows take several turns), and kInFlight rows are under way before the first is added. Narrow rows
// leave room for several bags in a warp. Bags of more than kGiant lookups are put on a list (in whatever order: no result
// depends on it); pieces of them are pooled by a warp each, and the pieces of a bag are then joined in their order.
//
// Bytes: 26 tables of 128 floats, 10 lookups a bag, B = 65,536: 17.0 M rows of 512 bytes are 8.72 GB, indices .07 GB, out
// .87 GB: 9.67 GB, 2.9 ms at the 3.35 TB/s of an H100; a tenth of it or less is arithmetic. To hide .7 us of latency at that
// rate, a multiprocessor needs 18 KB under way; with 48 registers a thread 40 warps are there, and each has up to 2 KB.
#include "cuda/device.cuh"
#include "cuda/parts.cuh"
#include "cuda/table_rows.cuh"
#include "ops/embedding_bag/embedding_bag.h"

namespace dlrm::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kGiant = 1024, kPiece = 256;  // lookups
constexpr int kMaxColumns = 40;             // of a launch: parameters of at most 4 KB
constexpr int kLookupsPerGroup = 32;        // backward

struct Column {
  const char* weight;
  int64_t row_bytes;
  const int32_t *offsets, *indices;
  const float* scales;  // of the lookups, of the rows, or null
  float* out;           // backward: dout
  union {
    int32_t* positions;
    float* dlookup;
  };
  int32_t out_stride, positions_stride, width, lookups;
  int32_t first_block;
  uint8_t lane_bits;                  // 2^lane_bits lanes have a row
  uint8_t scales_of_rows, mean, wide;  // wide: out may be written 16 bytes at a time
  __device__ int lanes() const { return 1 << lane_bits; }
};

// A giant bag: its pieces' sums are in parts [first_part, ...).
struct Giant {
  int32_t column, bag, first_part;
};

struct Giants {
  unsigned long long* taken;  // giants << 32 | parts
  Giant* list;
  float* parts;           // [parts][part_floats]: values, then positions
  int64_t part_floats;
  int64_t most, most_parts;
};

struct Columns {
  Giants giants;
  int32_t count, batch;
  int32_t pieces;  // pool pieces of giants, else bags
  Column column[kMaxColumns];
};
static_assert(sizeof(Columns) <= 4096, "parameters of a kernel");

__device__ __forceinline__ int pieces_of(int lookups) { return (lookups + kPiece - 1) / kPiece; }

// Rows under way in a lane, and blocks of a multiprocessor (5: 48 registers a thread): as many as make no spills.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr int kSumBlocks = 4;
#else
constexpr int kSumBlocks = 5;
#endif
template <class Rows, bool kMax>
constexpr int rows_in_flight = kMax && Rows::kColumns == 8 ? 2 : 4;
template <class Rows, bool kMax>
constexpr int blocks_at_once = Rows::kColumns == 4 ? (kMax ? 3 : kSumBlocks) : 4;

// Lookups [begin, end) of a column, pooled by the lanes of one group; put(k, numbers, positions) takes the results.
template <class Rows, bool kMax, class Put>
__device__ __forceinline__ void pool(const Column& c, int begin, int end, int lane, Put&& put) {
  constexpr int kCols = Rows::kColumns, kRows = rows_in_flight<Rows, kMax>;
  for (int k = lane * kCols; k < c.width; k += c.lanes() * kCols) {
    float sum[kCols];
    int32_t at[kCols];
    int32_t row[kRows];
#pragma unroll
    for (int n = 0; n < kCols; ++n) sum[n] = 0, at[n] = -1;
#pragma unroll
    for (int u = 0; u < kRows; ++u) row[u] = begin + u < end ? __ldg(c.indices + begin + u) : 0;
    for (int i = begin; i < end; i += kRows) {
      typename Rows::Raw raw[kRows];
      float scale[kRows];
#pragma unroll
      for (int u = 0; u < kRows; ++u) {
        if (i + u >= end) continue;
        raw[u] = Rows::load(c.weight + row[u] * c.row_bytes, c.width, k);
        if (!kMax) scale[u] = c.scales ? __ldg(c.scales + (c.scales_of_rows ? row[u] : i + u)) : 1.0f;
      }
#pragma unroll
      for (int u = 0; u < kRows; ++u)
        if (i + kRows + u < end) row[u] = __ldg(c.indices + i + kRows + u);
#pragma unroll
      for (int u = 0; u < kRows; ++u) {
        if (i + u >= end) continue;
        float x[kCols];
        Rows::numbers(raw[u], x);
#pragma unroll
        for (int n = 0; n < kCols; ++n) {
          if (!kMax) {
            sum[n] += scale[u] * x[n];
          } else if (at[n] < 0 || x[n] > sum[n]) {
            sum[n] = x[n];
            at[n] = i + u;
          }
        }
      }
    }
    put(k, sum, at);
  }
}

template <class Rows, bool kMax>
__device__ __forceinline__ void pool_piece(const Columns& a) {
  const unsigned long long taken = *a.giants.taken;
  const int giants = static_cast<int>(taken >> 32), parts = static_cast<int>(taken & 0xffffffff);
  const int part = blockIdx.x * kWarps + threadIdx.x / kWarp;
  if (part >= parts) return;
  int low = 0, high = giants;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (a.giants.list[middle].first_part <= part)
      low = middle;
    else
      high = middle;
  }
  const Giant giant = a.giants.list[low];
  const Column& c = a.column[giant.column];
  const int lane = threadIdx.x % kWarp;
  if (lane >= c.lanes()) return;
  const int begin = c.offsets[giant.bag] + (part - giant.first_part) * kPiece, end = c.offsets[giant.bag + 1];
  pool<Rows, kMax>(c, begin, begin + kPiece < end ? begin + kPiece : end, lane, [&](int k, const float* sum, const int32_t* at) {
    float* out = a.giants.parts + part * a.giants.part_floats + k;
    for (int n = 0; n < Rows::kColumns; ++n) out[n] = sum[n];
    for (int n = 0; kMax && n < Rows::kColumns; ++n) reinterpret_cast<int32_t*>(out + c.width)[n] = at[n];
  });
}

template <class Rows, bool kMax>
__global__ void __launch_bounds__(kThreads, blocks_at_once<Rows, kMax>) pool_kernel(const Columns a) {
  if (a.pieces) return pool_piece<Rows, kMax>(a);
  const Column& c = part_of_block(a.column, a.count);
  const int lane = threadIdx.x & (c.lanes() - 1);
  const int bag = static_cast<int>(((blockIdx.x - c.first_block) * kThreads + threadIdx.x) >> c.lane_bits);
  if (bag >= a.batch) return;
  const int begin = __ldg(c.offsets + bag), end = __ldg(c.offsets + bag + 1);
  if (end - begin > kGiant) {
    if (lane) return;
    const unsigned long long more = 1ull << 32 | static_cast<unsigned>(pieces_of(end - begin));
    const unsigned long long taken = atomicAdd(a.giants.taken, more);
    a.giants.list[taken >> 32] = {static_cast<int32_t>(&c - a.column), bag, static_cast<int32_t>(taken & 0xffffffff)};
    return;
  }
  pool<Rows, kMax>(c, begin, end, lane, [&](int k, float* sum, const int32_t* at) {
    for (int n = 0; !kMax && c.mean && end > begin && n < Rows::kColumns; ++n) sum[n] /= static_cast<float>(end - begin);
    store_floats<Rows::kColumns>(c.out + static_cast<int64_t>(bag) * c.out_stride + k, sum, c.wide);
    for (int n = 0; kMax && n < Rows::kColumns; ++n) c.positions[static_cast<int64_t>(bag) * c.positions_stride + k + n] = at[n];
  });
}

__global__ void no_giants(unsigned long long* taken) {
  if (threadIdx.x == 0) *taken = 0;
}

// Blocks take turns at the giants; each thread joins columns of their own.
template <bool kMax>
__global__ void __launch_bounds__(kThreads) join_kernel(const Columns a) {
  const int giants = static_cast<int>(*a.giants.taken >> 32);
  for (int g = blockIdx.x; g < giants; g += gridDim.x) {
    const Giant giant = a.giants.list[g];
    const Column& c = a.column[giant.column];
    const int lookups = c.offsets[giant.bag + 1] - c.offsets[giant.bag], pieces = pieces_of(lookups);
    const float* parts = a.giants.parts + giant.first_part * a.giants.part_floats;
    for (int k = threadIdx.x; k < c.width; k += kThreads) {
      float sum = parts[k];
      int32_t at = 0;
      if (kMax) at = reinterpret_cast<const int32_t*>(parts)[c.width + k];
#pragma unroll 4
      for (int p = 1; p < pieces; ++p) {
        const float x = parts[p * a.giants.part_floats + k];
        if (!kMax) {
          sum += x;
        } else if (x > sum) {
          sum = x;
          at = reinterpret_cast<const int32_t*>(parts)[p * a.giants.part_floats + c.width + k];
        }
      }
      c.out[static_cast<int64_t>(giant.bag) * c.out_stride + k] = c.mean ? sum / static_cast<float>(lookups) : sum;
      if (kMax) c.positions[static_cast<int64_t>(giant.bag) * c.positions_stride + k] = at;
    }
  }
}

// dlookup[i] = <dout of its bag, its row>: a group of lanes has kLookupsPerGroup neighbours, some at a time.
template <class Rows>
__global__ void __launch_bounds__(kThreads, 4) backward_kernel(const Columns a) {
  constexpr int kCols = Rows::kColumns, kRows = kCols == 8 ? 2 : 4;
  const Column& c = part_of_block(a.column, a.count);
  const int lane = threadIdx.x & (c.lanes() - 1);
  const int first = static_cast<int>(((blockIdx.x - c.first_block) * kThreads + threadIdx.x) >> c.lane_bits) * kLookupsPerGroup;
  const int end = first + kLookupsPerGroup < c.lookups ? first + kLookupsPerGroup : c.lookups;
  int bag = first < end ? bag_between(c.offsets, 0, a.batch, first) : 0;
  for (int turn = 0; turn < kLookupsPerGroup; turn += kRows) {
    const float* dout[kRows];
    const char* row[kRows];
    float dot[kRows];
#pragma unroll
    for (int u = 0; u < kRows; ++u) {
      const int i = first + turn + u;
      dot[u] = 0;
      if (i >= end) continue;
      if (i >= __ldg(c.offsets + bag + 1) && i >= __ldg(c.offsets + ++bag + 1)) bag = bag_between(c.offsets, bag, a.batch, i);
      dout[u] = c.out + static_cast<int64_t>(bag) * c.out_stride;
      row[u] = c.weight + __ldg(c.indices + i) * c.row_bytes;
    }
    for (int k = lane * kCols; k < c.width; k += c.lanes() * kCols) {
      typename Rows::Raw raw[kRows];
#pragma unroll
      for (int u = 0; u < kRows; ++u)
        if (first + turn + u < end) raw[u] = Rows::load(row[u], c.width, k);
#pragma unroll
      for (int u = 0; u < kRows; ++u) {
        if (first + turn + u >= end) continue;
        float x[kCols];
        Rows::numbers(raw[u], x);
#pragma unroll
        for (int n = 0; n < kCols; ++n) dot[u] += __ldg(dout[u] + k + n) * x[n];
      }
    }
#pragma unroll
    for (int u = 0; u < kRows; ++u) {
      for (int step = c.lanes() / 2; step; step /= 2) dot[u] += __shfl_xor_sync(kAllLanes, dot[u], step);
      if (lane == 0 && first + turn + u < end) c.dlookup[first + turn + u] = dot[u];
    }
  }
}

__global__ void zero_kernel(float* to, int64_t n) {
  if (global_thread() < n) to[global_thread()] = 0;
}

// What reads a table of each type: as wide as its rows allow.
enum Reader { f32x4, f32x2, f32x1, bf16x8, bf16x2, bf16x1, f16x8, f16x2, f16x1, int8x8, int8x1, int4x8, int4x1, kReaders };

// fn(Rows{}) of a reader.
template <class F>
void with_rows(Reader reader, F&& fn) {
  switch (reader) {
    case f32x4: return fn(F32Rows<4>{});
    case f32x2: return fn(F32Rows<2>{});
    case f32x1: return fn(F32Rows<1>{});
    case bf16x8: return fn(Bf16Rows<8>{});
    case bf16x2: return fn(Bf16Rows<2>{});
    case bf16x1: return fn(Bf16Rows<1>{});
    case f16x8: return fn(F16Rows<8>{});
    case f16x2: return fn(F16Rows<2>{});
    case f16x1: return fn(F16Rows<1>{});
    case int8x8: return fn(Int8Rows<8>{});
    case int8x1: return fn(Int8Rows<1>{});
    case int4x8: return fn(Int4Rows<8>{});
    default: return fn(Int4Rows<1>{});
  }
}

int64_t row_bytes_of(const EmbeddingBagTable& t) { return t.weight_stride * dtype_bytes(t.dtype); }

Reader reader_of(const EmbeddingBagTable& t) {
  const auto widest = [&](int first, int count) {
    for (int reader = first; reader < first + count; ++reader) {
      bool fits = false;
      with_rows(static_cast<Reader>(reader), [&](auto rows) { fits = decltype(rows)::fits(t.weight, row_bytes_of(t), t.width); });
      if (fits) return static_cast<Reader>(reader);
    }
    return static_cast<Reader>(first + count - 1);
  };
  switch (t.dtype) {
    case DType::bf16: return widest(bf16x8, 3);
    case DType::f16: return widest(f16x8, 3);
    case DType::int8: return widest(int8x8, 2);
    case DType::int4: return widest(int4x8, 2);
    default: return widest(f32x4, 3);
  }
}

Column column_of(const EmbeddingBagTable& t, const float* out, int64_t out_stride, int columns) {
  Column c{};
  c.weight = static_cast<const char*>(t.weight);
  c.row_bytes = row_bytes_of(t);
  c.offsets = t.offsets;
  c.indices = t.indices;
  c.scales = t.weights ? t.weights : t.row_weights;
  c.scales_of_rows = !t.weights && t.row_weights;
  c.out = const_cast<float*>(out);
  c.out_stride = static_cast<int32_t>(out_stride);
  c.width = static_cast<int32_t>(t.width);
  c.lookups = static_cast<int32_t>(t.lookups);
  c.mean = t.pooling == Pooling::mean;
  c.lane_bits = static_cast<uint8_t>(lane_bits_of(t.width, columns));
  const int64_t together = columns < 4 ? columns : 4;
  c.wide = out_stride % together == 0 && aligned(out, 4 * together);
  return c;
}

// Room for the giant bags that these columns may have: the list, and their pieces.
struct GiantRoom {
  int64_t giants = 0, parts = 0, part_floats = 0;

  void add(const EmbeddingBagForward& column) {
    if (column.table.lookups <= kGiant) return;
    const int64_t most = column.table.lookups / kGiant;
    giants += most;
    parts += column.table.lookups / kPiece + most;
    const int64_t floats = column.table.width * (column.table.pooling == Pooling::max ? 2 : 1);
    part_floats = floats > part_floats ? floats : part_floats;
  }

  // `memory` null: only measures.
  size_t place(char* memory, Giants* to) const {
    constexpr int64_t kLine = 256;
    if (!giants) return 0;
    const int64_t list = kLine, floats = list + blocks(giants * static_cast<int64_t>(sizeof(Giant)), kLine) * kLine;
    if (memory)
      *to = {reinterpret_cast<unsigned long long*>(memory), reinterpret_cast<Giant*>(memory + list),
             reinterpret_cast<float*>(memory + floats), part_floats, giants, parts};
    return static_cast<size_t>(floats + parts * part_floats * 4);
  }
};

template <class Rows, bool kMax>
void launch_pool(Columns& a, int64_t grid, CudaStream stream) {
  if (a.giants.most) launch(no_giants, 1, kWarp, 0, stream, a.giants.taken);
  launch(pool_kernel<Rows, kMax>, grid, kThreads, 0, stream, a);
  if (!a.giants.most) return;
  a.pieces = 1;
  launch(pool_kernel<Rows, kMax>, blocks(a.giants.most_parts, kWarps), kThreads, 0, stream, a);
  constexpr int64_t kMostBlocks = 1024;
  launch(join_kernel<kMax>, a.giants.most < kMostBlocks ? a.giants.most : kMostBlocks, kThreads, 0, stream, a);
}

// The columns that this reader reads, of mode max or not, as few launches as their number allows.
template <class Rows>
void forward_of(const EmbeddingBagForward* columns, int64_t count, int64_t batch, Reader reader, bool max, void* scratch, CudaStream stream) {
  for (int64_t next = 0; next < count;) {
    Columns a{};
    GiantRoom room;
    int64_t grid = 0;
    a.batch = static_cast<int32_t>(batch);
    for (; next < count && a.count < kMaxColumns; ++next) {
      const EmbeddingBagForward& f = columns[next];
      if ((f.table.pooling == Pooling::max) != max || reader_of(f.table) != reader) continue;
      Column& c = a.column[a.count++] = column_of(f.table, f.out, f.out_stride, Rows::kColumns);
      c.positions = f.positions;
      c.positions_stride = static_cast<int32_t>(f.positions_stride);
      c.first_block = static_cast<int32_t>(grid);
      grid += blocks(batch, kThreads >> c.lane_bits);
      room.add(f);
    }
    if (!a.count) return;
    room.place(static_cast<char*>(scratch), &a.giants);
    max ? launch_pool<Rows, true>(a, grid, stream) : launch_pool<Rows, false>(a, grid, stream);
  }
}

size_t scratch_bytes(const EmbeddingBagForward* columns, int64_t count) {
  GiantRoom room;
  for (int64_t i = 0; i < count; ++i) room.add(columns[i]);
  return room.place(nullptr, nullptr);
}

void forward(const EmbeddingBagForward* columns, int64_t count, int64_t batch, void* scratch, CudaStream stream) {
  bool wanted[kReaders][2] = {};
  for (int64_t i = 0; i < count; ++i) wanted[reader_of(columns[i].table)][columns[i].table.pooling == Pooling::max] = true;
  for (int reader = 0; reader < kReaders; ++reader)
    for (const bool max : {false, true})
      if (wanted[reader][max])
        with_rows(static_cast<Reader>(reader), [&](auto rows) {
          forward_of<decltype(rows)>(columns, count, batch, static_cast<Reader>(reader), max, scratch, stream);
        });
}

template <class Rows>
void backward_of(const EmbeddingBagBackward* columns, int64_t count, int64_t batch, Reader reader, CudaStream stream) {
  for (int64_t next = 0; next < count;) {
    Columns a{};
    int64_t grid = 0;
    a.batch = static_cast<int32_t>(batch);
    for (; next < count && a.count < kMaxColumns; ++next) {
      const EmbeddingBagBackward& b = columns[next];
      if (!b.table.weight || reader_of(b.table) != reader) continue;
      Column& c = a.column[a.count++] = column_of(b.table, b.dout, b.dout_stride, Rows::kColumns);
      c.dlookup = b.dlookup;
      c.first_block = static_cast<int32_t>(grid);
      grid += blocks(b.table.lookups, (kThreads >> c.lane_bits) * kLookupsPerGroup);
    }
    if (a.count) launch(backward_kernel<Rows>, grid, kThreads, 0, stream, a);
  }
}

void backward(const EmbeddingBagBackward* columns, int64_t count, int64_t batch, CudaStream stream) {
  bool wanted[kReaders] = {};
  for (int64_t i = 0; i < count; ++i) {
    const EmbeddingBagBackward& b = columns[i];
    if (b.table.weight)
      wanted[reader_of(b.table)] = true;
    else
      launch(zero_kernel, blocks(b.table.lookups, kThreads), kThreads, 0, stream, b.dlookup, b.table.lookups);
  }
  for (int reader = 0; reader < kReaders; ++reader)
    if (wanted[reader])
      with_rows(static_cast<Reader>(reader), [&](auto rows) {
        if constexpr (decltype(rows)::kTrains)
          backward_of<decltype(rows)>(columns, count, batch, static_cast<Reader>(reader), stream);
      });
}

}  // namespace

}  // namespace dlrm::cuda

namespace dlrm {
const EmbeddingBagCuda embedding_bag_cuda = {cuda::scratch_bytes, cuda::forward, cuda::backward};
}
