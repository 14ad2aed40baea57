// Tiles of factors in shared memory and their fragments in registers.
//
// A tile is ROWS rows of CHUNKS chunks of 16 bytes, as the packed matrix lies in memory: `deep` if its rows run along the
// depth of the product (x and W of the forward pass), else its rows are the depth. Chunk c of row r lies at place
// c ^ turn(r) of the row, so that the eight rows that ldmatrix reads at once, or the four by eight elements that a warp
// loads one by one, fall on different banks.
// A step is 32 bytes of depth, one mma of bfloat16 (16 deep) or one tf32 (8 deep); a stage is four steps, 128 bytes.
#pragma once
#include "cuda/device.cuh"

namespace dlrm::cuda::mlp {

constexpr int kSteps = 4, kChunk = 16;

template <class T>
struct Depth {
  static constexpr int step = 32 / static_cast<int>(sizeof(T)), stage = kSteps * step;
  static constexpr int chunk = kChunk / static_cast<int>(sizeof(T));  // elements
};

template <class T, bool DEEP, int ROWS_OF_RESULT>
struct TileShape {
  static constexpr int rows = DEEP ? ROWS_OF_RESULT : Depth<T>::stage;
  static constexpr int chunks = DEEP ? 2 * kSteps : ROWS_OF_RESULT / Depth<T>::chunk;
  static constexpr int bytes = rows * chunks * kChunk;
};

template <class T, bool DEEP>
__device__ __forceinline__ int turn(int row) {
  return DEEP || sizeof(T) == 2 ? row % 8 : row % 4 * 2;
}

// Starts the copy of a tile; what lies behind the `rows` and `chunks` there are becomes zero. `from` is its first element.
template <class T, bool DEEP, class Shape, int THREADS>
__device__ __forceinline__ void fetch_tile(char* tile, const T* from, int64_t stride, int rows, int chunks) {
  constexpr int kRowsAtOnce = THREADS / Shape::chunks;
  static_assert(kRowsAtOnce % 8 == 0 && Shape::rows % kRowsAtOnce == 0, "turn(row) is the same in every round");
  const int chunk = static_cast<int>(threadIdx.x) % Shape::chunks, first = static_cast<int>(threadIdx.x) / Shape::chunks;
  char* const to = tile + (first * Shape::chunks + (chunk ^ turn<T, DEEP>(first))) * kChunk;
  const T* const source = from + first * stride + chunk * Depth<T>::chunk;
#pragma unroll
  for (int i = 0; i < Shape::rows / kRowsAtOnce; ++i) {
    const bool there = first + i * kRowsAtOnce < rows && chunk < chunks;
    cp_async16(to + i * kRowsAtOnce * Shape::chunks * kChunk, there ? source + i * kRowsAtOnce * stride : from, there ? 16 : 0);
  }
}

// One float of a tile whose rows are the depth: of column first + column + lane / 4. `first` is a multiple of 32, `column` one of
// 8 that the compiler knows: so it sees that few addresses differ by more than a constant.
template <int CHUNKS>
__device__ __forceinline__ uint32_t word(const char* tile, int depth, int first, int column, int lane) {
  const int chunk = column / 4 ^ lane % 4 * 2;  // of depth lane % 4 or that + 4
  return *reinterpret_cast<const uint32_t*>(tile + depth * CHUNKS * kChunk + (first + 4 * chunk + lane / 4) * 4);
}

// 16 rows of A from row first + m on.
template <class T, bool DEEP, class Shape>
__device__ __forceinline__ void load_a(uint32_t (&a)[4], const char* tile, int first, int m, int step, int lane) {
  if constexpr (DEEP) {
    const int row = first + m + lane % 16, chunk = 2 * step + lane / 16;
    ldmatrix_x4(a, tile + (row * Shape::chunks + (chunk ^ lane % 8)) * kChunk);
  } else if constexpr (sizeof(T) == 2) {
    const int row = 16 * step + lane % 8 + lane / 16 * 8, chunk = (first + m) / 8 + lane / 8 % 2;
    ldmatrix_x4_trans(a, tile + (row * Shape::chunks + (chunk ^ lane % 8)) * kChunk);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      a[i] = word<Shape::chunks>(tile, 8 * step + lane % 4 + i / 2 * 4, first, m + i % 2 * 8, lane);
  }
}

// 16 columns of B from column first + n on.
template <class T, bool DEEP, class Shape>
__device__ __forceinline__ void load_b(uint32_t (&left)[2], uint32_t (&right)[2], const char* tile, int first, int n, int step, int lane) {
  uint32_t b[4];
  if constexpr (DEEP) {
    const int row = first + n + lane % 8 + lane / 16 * 8, chunk = 2 * step + lane / 8 % 2;
    ldmatrix_x4(b, tile + (row * Shape::chunks + (chunk ^ lane % 8)) * kChunk);
  } else if constexpr (sizeof(T) == 2) {
    const int row = 16 * step + lane % 16, chunk = (first + n) / 8 + lane / 16;
    ldmatrix_x4_trans(b, tile + (row * Shape::chunks + (chunk ^ lane % 8)) * kChunk);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      b[i] = word<Shape::chunks>(tile, 8 * step + lane % 4 + i % 2 * 4, first, n + i / 2 * 8, lane);
  }
  left[0] = b[0];
  left[1] = b[1];
  right[0] = b[2];
  right[1] = b[3];
}

// Multiply::add: sum += a b.  Multiply::sum_rows and rows_of: the sums of A's rows m, a pair for rows lane/4 and lane/4 + 8 in
// lanes divisible by 4.
template <class T>
struct Multiply;

template <>
struct Multiply<uint16_t> {
  template <int M, int N>
  static __device__ __forceinline__ void add(float (&sum)[M][N][4], const uint32_t (&a)[M][4], const uint32_t (&b)[N][2]) {
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int n = 0; n < N; ++n) mma_bf16_16816(sum[m][n], a[m], b[n]);
  }

  // A product with ones.
  using RowSums = float[4];
  static __device__ __forceinline__ void sum_rows(RowSums& sum, const uint32_t (&a)[4]) {
    const uint32_t ones[2] = {0x3f803f80, 0x3f803f80};
    mma_bf16_16816(sum, a, ones);
  }
  static __device__ __forceinline__ float2 rows_of(const RowSums& sum) { return make_float2(sum[0], sum[2]); }
};

// Of a float, the nearest tf32 and, to nearest too, what is missing: mma ignores the last 13 bits. `high` keeps an infinity and
// a tame NaN (finish.cuh); what becomes of `low` does not matter then.
__device__ __forceinline__ void split(uint32_t x, uint32_t& high, uint32_t& low) {
  high = (x + 0x1000) & 0xffffe000;
  low = __float_as_uint(__uint_as_float(x) - __uint_as_float(high)) + 0x1000;
}

template <>
struct Multiply<float> {
  template <int M, int N>
  static __device__ __forceinline__ void add(float (&sum)[M][N][4], const uint32_t (&a)[M][4], const uint32_t (&b)[N][2]) {
    uint32_t b_high[N][2], b_low[N][2];
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) split(b[n][i], b_high[n][i], b_low[n][i]);
#pragma unroll
    for (int m = 0; m < M; ++m) {
      uint32_t a_high[4], a_low[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) split(a[m][i], a_high[i], a_low[i]);
      float part[N][4] = {};
#pragma unroll
      for (int n = 0; n < N; ++n) mma_tf32_1688(part[n], a_low, b_high[n]);
#pragma unroll
      for (int n = 0; n < N; ++n) mma_tf32_1688(part[n], a_high, b_low[n]);
#pragma unroll
      for (int n = 0; n < N; ++n) mma_tf32_1688(part[n], a_high, b_high[n]);
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[m][n][i] += part[n][i];
    }
  }

  using RowSums = float[2];
  static __device__ __forceinline__ void sum_rows(RowSums& sum, const uint32_t (&a)[4]) {
    sum[0] += __uint_as_float(a[0]) + __uint_as_float(a[2]);
    sum[1] += __uint_as_float(a[1]) + __uint_as_float(a[3]);
  }
  static __device__ __forceinline__ float2 rows_of(const RowSums& sum) {
    const float low = sum[0] + __shfl_xor_sync(kAllLanes, sum[0], 1), high = sum[1] + __shfl_xor_sync(kAllLanes, sum[1], 1);
    return make_float2(low + __shfl_xor_sync(kAllLanes, low, 2), high + __shfl_xor_sync(kAllLanes, high, 2));
  }
};

}  // namespace dlrm::cuda::mlp
