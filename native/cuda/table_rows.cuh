// Rows of tables of each type (base/table_rows.h) as kernels read them: kColumns neighbouring numbers by one thread.
//   Raw  load(row, width, k)   the bytes of numbers [k, k + kColumns), k a multiple of kColumns, as loaded: several of these
//                              are in flight before the first is used
//   numbers(raw, x)            as floats
//   fits(...)                  may it read this table? Wide loads need aligned rows and no tail
#pragma once
#include "base/half.h"
#include "base/table_rows.h"
#include "cuda/device.cuh"

namespace dlrm::cuda {

inline bool aligned(const void* p, int64_t bytes) { return reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) == 0; }

// n neighbouring floats: read-only ones; ones that are read and written once (they leave the caches first).
template <int N>
__device__ __forceinline__ void load_floats(const float* p, float* x) {
  if constexpr (N % 4 == 0) {
    for (int n = 0; n < N; n += 4) {
      const float4 q = __ldg(reinterpret_cast<const float4*>(p + n));
      x[n] = q.x, x[n + 1] = q.y, x[n + 2] = q.z, x[n + 3] = q.w;
    }
  } else if constexpr (N == 2) {
    const float2 q = __ldg(reinterpret_cast<const float2*>(p));
    x[0] = q.x, x[1] = q.y;
  } else {
    x[0] = __ldg(p);
  }
}

template <int N>
__device__ __forceinline__ void load_once(const float* p, float* x) {
  if constexpr (N == 4) {
    const float4 q = __ldcs(reinterpret_cast<const float4*>(p));
    x[0] = q.x, x[1] = q.y, x[2] = q.z, x[3] = q.w;
  } else {
    x[0] = __ldcs(p);
  }
}

template <int N>
__device__ __forceinline__ void store_once(float* p, const float* x) {
  if constexpr (N == 4)
    __stcs(reinterpret_cast<float4*>(p), float4{x[0], x[1], x[2], x[3]});
  else
    __stcs(p, x[0]);
}

// wide: p is aligned to N floats, or to 4.
template <int N>
__device__ __forceinline__ void store_floats(float* p, const float* x, bool wide) {
  if (N > 1 && wide) {
    if constexpr (N == 2) *reinterpret_cast<float2*>(p) = float2{x[0], x[1]};
    if constexpr (N % 4 == 0)
      for (int n = 0; n < N; n += 4) *reinterpret_cast<float4*>(p + n) = float4{x[n], x[n + 1], x[n + 2], x[n + 3]};
  } else {
    for (int n = 0; n < N; ++n) p[n] = x[n];
  }
}

template <int N>
struct F32Rows {
  static constexpr int kColumns = N;
  static constexpr bool kTrains = true;
  struct Raw {
    float x[N];
  };
  static __device__ __forceinline__ Raw load(const char* row, int, int k) {
    Raw raw;
    load_floats<N>(reinterpret_cast<const float*>(row) + k, raw.x);
    return raw;
  }
  static __device__ __forceinline__ void numbers(const Raw& raw, float* x) {
    for (int n = 0; n < N; ++n) x[n] = raw.x[n];
  }
  static bool fits(const void* table, int64_t row_bytes, int64_t width) {
    return width % N == 0 && row_bytes % (4 * N) == 0 && aligned(table, 4 * N);
  }
};

struct Bf16Number {
  static __device__ __forceinline__ float of(uint32_t half) { return from_bf16(static_cast<uint16_t>(half)); }
};
struct F16Number {
  static __device__ __forceinline__ float of(uint32_t half) { return from_f16(static_cast<uint16_t>(half)); }
};

template <class Number, int N>
struct HalfRows {
  static constexpr int kColumns = N;
  static constexpr bool kTrains = true;
  struct Raw {
    uint32_t pairs[(N + 1) / 2];
  };
  static __device__ __forceinline__ Raw load(const char* row, int, int k) {
    const char* p = row + 2 * k;
    Raw raw;
    if constexpr (N == 8) {
      const uint4 q = __ldg(reinterpret_cast<const uint4*>(p));
      raw.pairs[0] = q.x, raw.pairs[1] = q.y, raw.pairs[2] = q.z, raw.pairs[3] = q.w;
    } else if constexpr (N == 2) {
      raw.pairs[0] = __ldg(reinterpret_cast<const uint32_t*>(p));
    } else {
      raw.pairs[0] = __ldg(reinterpret_cast<const uint16_t*>(p));
    }
    return raw;
  }
  static __device__ __forceinline__ void numbers(const Raw& raw, float* x) {
    for (int n = 0; n < N; ++n) x[n] = Number::of(n % 2 ? raw.pairs[n / 2] >> 16 : raw.pairs[n / 2] & 0xffff);
  }
  static bool fits(const void* table, int64_t row_bytes, int64_t width) {
    return width % N == 0 && row_bytes % (2 * N) == 0 && aligned(table, 2 * N);
  }
};

template <int N>
using Bf16Rows = HalfRows<Bf16Number, N>;
template <int N>
using F16Rows = HalfRows<F16Number, N>;

// Little-endian words from anywhere.
__device__ __forceinline__ uint32_t load_bytes(const char* p, int bytes) {
  uint32_t word = 0;
  for (int n = 0; n < bytes; ++n) word |= static_cast<uint32_t>(__ldg(reinterpret_cast<const uint8_t*>(p) + n)) << 8 * n;
  return word;
}

template <int N>
struct Int8Rows {
  static constexpr int kColumns = N;
  static constexpr bool kTrains = false;  // quantised tables are for predictions
  struct Raw {
    uint32_t levels[(N + 3) / 4];
    float scale, bias;
  };
  static __device__ __forceinline__ Raw load(const char* row, int width, int k) {
    Raw raw;
    if constexpr (N == 8) {
      const uint2 q = __ldg(reinterpret_cast<const uint2*>(row + k));
      const float2 tail = __ldg(reinterpret_cast<const float2*>(row + width));
      raw.levels[0] = q.x, raw.levels[1] = q.y, raw.scale = tail.x, raw.bias = tail.y;
    } else {
      raw.levels[0] = load_bytes(row + k, 1);
      raw.scale = float_of(load_bytes(row + width, 4)), raw.bias = float_of(load_bytes(row + width + 4, 4));
    }
    return raw;
  }
  static __device__ __forceinline__ void numbers(const Raw& raw, float* x) {
    for (int n = 0; n < N; ++n) x[n] = raw.scale * static_cast<float>(raw.levels[n / 4] >> 8 * (n % 4) & 255) + raw.bias;
  }
  static bool fits(const void* table, int64_t row_bytes, int64_t width) {
    return N == 1 || (width % 8 == 0 && row_bytes % 8 == 0 && aligned(table, 8));
  }
};

template <int N>
struct Int4Rows {
  static constexpr int kColumns = N;
  static constexpr bool kTrains = false;  // quantised tables are for predictions
  struct Raw {
    uint32_t levels, tail;
  };
  static __device__ __forceinline__ Raw load(const char* row, int width, int k) {
    if constexpr (N == 8)
      return {__ldg(reinterpret_cast<const uint32_t*>(row + k / 2)), __ldg(reinterpret_cast<const uint32_t*>(row + width / 2))};
    return {load_bytes(row + k / 2, 1) >> 4 * (k % 2), load_bytes(row + (width + 1) / 2, 4)};
  }
  static __device__ __forceinline__ void numbers(const Raw& raw, float* x) {
    const float scale = F16Number::of(raw.tail & 0xffff), bias = F16Number::of(raw.tail >> 16);
    for (int n = 0; n < N; ++n) x[n] = scale * static_cast<float>(raw.levels >> 4 * n & 15) + bias;
  }
  static bool fits(const void* table, int64_t row_bytes, int64_t width) {
    return N == 1 || (width % 8 == 0 && row_bytes % 4 == 0 && aligned(table, 4));
  }
};

// 2^bits lanes share a row of so many numbers, `columns` each: at most a warp.
inline int lane_bits_of(int64_t width, int columns) {
  int bits = 0;
  while (1 << bits < kWarp && columns << bits < width) ++bits;
  return bits;
}

// Bag b of [low, high) with offsets[b] <= i < offsets[b + 1].
__device__ __forceinline__ int bag_between(const int32_t* offsets, int low, int high, int64_t i) {
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    if (__ldg(offsets + middle) <= i)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace dlrm::cuda
