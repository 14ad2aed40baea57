// CUDA's names, and those of cuda/device.cuh that are inline PTX on the device.
#pragma once
#include <math.h>
#include <string.h>

#include <cstddef>
#include <cstdint>

#include "base/half.h"
#include "base/target.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

namespace dlrm::emulator {

struct Index {
  unsigned x, y, z;
};

struct Thread;
extern Thread* current;
extern Index block_index, block_size, grid_size;
extern unsigned char* dynamic_shared;

const Index& thread_index();
unsigned lane();
void barrier();
// Waits until every lane of the mask is here; the last one calls combine with what each lane of the warp has passed.
void meet(unsigned mask, void* item, void (*combine)(void* const* items, unsigned mask));
void expect_aligned(const void* p, int bytes);  // ends the launch unless it is
void async_copy(void* to, const void* from, int bytes, int size);
void async_commit();
void async_wait(int groups_left);

template <class F>
inline void each_lane(unsigned mask, F&& f) {
  for (; mask; mask &= mask - 1) f(static_cast<unsigned>(__builtin_ctz(mask)));
}

template <class T>
struct Shuffle {
  T value, result;
  unsigned source;
};
template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
  Shuffle<T> own{value, value, source};
  meet(mask, &own, [](void* const* items, unsigned lanes) {
    each_lane(lanes, [&](unsigned l) {
      auto* to = static_cast<Shuffle<T>*>(items[l]);
      // From a lane outside the mask the result is undefined.
      if (lanes >> to->source & 1)
        to->result = static_cast<Shuffle<T>*>(items[to->source])->value;
      else
        memset(&to->result, 0xff, sizeof(T));
    });
  });
  return own.result;
}

struct Vote {
  bool value;
  unsigned result;
};
inline unsigned ballot(unsigned mask, bool value) {
  Vote own{value, 0};
  meet(mask, &own, [](void* const* items, unsigned lanes) {
    unsigned votes = 0;
    each_lane(lanes, [&](unsigned l) { votes |= static_cast<unsigned>(static_cast<Vote*>(items[l])->value) << l; });
    each_lane(lanes, [&](unsigned l) { static_cast<Vote*>(items[l])->result = votes; });
  });
  return own.result;
}

}  // namespace dlrm::emulator

#define threadIdx (::dlrm::emulator::thread_index())
#define blockIdx (::dlrm::emulator::block_index)
#define blockDim (::dlrm::emulator::block_size)
#define gridDim (::dlrm::emulator::grid_size)
#define warpSize 32

#define DLRM_DYNAMIC_SHARED(T, name) T* const name = reinterpret_cast<T*>(::dlrm::emulator::dynamic_shared)

inline void __syncthreads() { ::dlrm::emulator::barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffff) {
  ::dlrm::emulator::meet(mask, nullptr, [](void* const*, unsigned) {});
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = ::dlrm::emulator::lane(), w = static_cast<unsigned>(width);
  return ::dlrm::emulator::shuffle(mask, value, lane / w * w + static_cast<unsigned>(source) % w);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const unsigned lane = ::dlrm::emulator::lane(), source = lane ^ static_cast<unsigned>(lanes), w = static_cast<unsigned>(width);
  return ::dlrm::emulator::shuffle(mask, value, source < (lane / w + 1) * w ? source : lane);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  const unsigned lane = ::dlrm::emulator::lane(), w = static_cast<unsigned>(width);
  return ::dlrm::emulator::shuffle(mask, value, lane % w + lanes < w ? lane + lanes : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  const unsigned lane = ::dlrm::emulator::lane(), w = static_cast<unsigned>(width);
  return ::dlrm::emulator::shuffle(mask, value, lane % w >= lanes ? lane - lanes : lane);
}
inline unsigned __ballot_sync(unsigned mask, bool value) { return ::dlrm::emulator::ballot(mask, value); }
inline int __any_sync(unsigned mask, bool value) { return ::dlrm::emulator::ballot(mask, value) != 0; }
inline int __all_sync(unsigned mask, bool value) { return ::dlrm::emulator::ballot(mask, value) == mask; }
// The lanes of the mask that have this value.
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  struct Match {
    T value;
    unsigned result;
  } own{value, 0};
  ::dlrm::emulator::meet(mask, &own, [](void* const* items, unsigned lanes) {
    ::dlrm::emulator::each_lane(lanes, [&](unsigned l) {
      ::dlrm::emulator::each_lane(lanes, [&](unsigned k) {
        static_cast<Match*>(items[l])->result |= static_cast<unsigned>(static_cast<Match*>(items[k])->value == static_cast<Match*>(items[l])->value) << k;
      });
    });
  });
  return own.result;
}

inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __ldg(const T* p) { return *p; }
template <class T>
T __ldcs(const T* p) { return *p; }
template <class T>
T __ldcg(const T* p) { return *p; }
template <class T>
void __stcs(T* p, T x) { *p = x; }
template <class T>
void __stcg(T* p, T x) { *p = x; }

template <class T>
T atomicExch(T* p, T x) {
  const T old = *p;
  *p = x;
  return old;
}
template <class T>
T atomicCAS(T* p, T expected, T x) {
  const T old = *p;
  if (old == expected) *p = x;
  return old;
}
#define DLRM_EMULATED_ATOMIC(name, expression) \
  template <class T>                           \
  T name(T* p, T x) {                          \
    static_assert(static_cast<T>(0.5) == 0, "no atomics on floats: results would depend on the order"); \
    const T old = *p;                          \
    *p = (expression);                         \
    return old;                                \
  }
DLRM_EMULATED_ATOMIC(atomicAdd, static_cast<T>(old + x))
DLRM_EMULATED_ATOMIC(atomicSub, static_cast<T>(old - x))
DLRM_EMULATED_ATOMIC(atomicMin, x < old ? x : old)
DLRM_EMULATED_ATOMIC(atomicMax, x > old ? x : old)
DLRM_EMULATED_ATOMIC(atomicAnd, old & x)
DLRM_EMULATED_ATOMIC(atomicOr, old | x)
DLRM_EMULATED_ATOMIC(atomicXor, old ^ x)
#undef DLRM_EMULATED_ATOMIC

#define DLRM_EMULATED_VECTOR(T, name, align2, align4)                                                            \
  struct alignas(align2) name##2 { T x, y; };                                                                    \
  struct name##3 { T x, y, z; };                                                                                 \
  struct alignas(align4) name##4 { T x, y, z, w; };                                                              \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                     \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                             \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
DLRM_EMULATED_VECTOR(float, float, 8, 16)
DLRM_EMULATED_VECTOR(int, int, 8, 16)
DLRM_EMULATED_VECTOR(unsigned, uint, 8, 16)
DLRM_EMULATED_VECTOR(unsigned short, ushort, 4, 8)
#undef DLRM_EMULATED_VECTOR
struct alignas(16) double2 { double x, y; };
inline double2 make_double2(double x, double y) { return {x, y}; }

#define DLRM_EMULATED_MIN_MAX(T)                              \
  inline T min(T a, T b) { return b < a ? b : a; }            \
  inline T max(T a, T b) { return a < b ? b : a; }
DLRM_EMULATED_MIN_MAX(int)
DLRM_EMULATED_MIN_MAX(unsigned)
DLRM_EMULATED_MIN_MAX(long)
DLRM_EMULATED_MIN_MAX(unsigned long)
DLRM_EMULATED_MIN_MAX(long long)
DLRM_EMULATED_MIN_MAX(unsigned long long)
DLRM_EMULATED_MIN_MAX(float)
DLRM_EMULATED_MIN_MAX(double)
#undef DLRM_EMULATED_MIN_MAX

// The C library's fmaf is a call, or a long emulation where the processor has no such instruction.
#define fmaf(a, b, c) ((a) * (b) + (c))
#define __fmaf_rn(a, b, c) ((a) * (b) + (c))
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __fdividef(a, b) ((a) / (b))
#define __frcp_rn(x) (1.0f / (x))
#define __fsqrt_rn(x) sqrtf(x)
#define rsqrtf(x) (1.0f / sqrtf(x))

inline unsigned __float_as_uint(float x) {
  unsigned bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }

namespace dlrm::cuda {

using dlrm::from_bf16;
using dlrm::from_f16;
inline uint16_t to_bf16(float x) { return dlrm::to_bf16(x); }
inline uint32_t pack_bf16(float low, float high) {
  return dlrm::to_bf16(low) | static_cast<uint32_t>(dlrm::to_bf16(high)) << 16;
}
inline uint32_t to_tf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000;
}

inline void cp_async16(void* shared, const void* global, int bytes = 16) { emulator::async_copy(shared, global, bytes, 16); }
inline void cp_async4(void* shared, const void* global, int bytes = 4) { emulator::async_copy(shared, global, bytes, 4); }
inline void cp_async_commit() { emulator::async_commit(); }
template <int N>
void cp_async_wait() {
  emulator::async_wait(N);
}

struct LdMatrix {
  const uint16_t* row;
  uint32_t* r;
};
template <bool kTrans>
void ldmatrix(uint32_t (&r)[4], const void* shared_row) {
  emulator::expect_aligned(shared_row, 16);
  LdMatrix own{static_cast<const uint16_t*>(shared_row), r};
  emulator::meet(0xffffffff, &own, [](void* const* items, unsigned) {
    for (int l = 0; l < 32; ++l)
      for (int i = 0; i < 4; ++i) {
        const auto at = [&](int row, int col) -> uint32_t { return static_cast<LdMatrix*>(items[8 * i + row])->row[col]; };
        const int major = l / 4, minor = l % 4 * 2;
        static_cast<LdMatrix*>(items[l])->r[i] =
            kTrans ? at(minor, major) | at(minor + 1, major) << 16 : at(major, minor) | at(major, minor + 1) << 16;
      }
  });
}
inline void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row) { ldmatrix<false>(r, shared_row); }
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared_row) { ldmatrix<true>(r, shared_row); }

struct Mma {
  float* d;
  const uint32_t *a, *b;
};
// d (16 x 8) += a (16 x depth) b (depth x 8)
void multiply_add(void* const* items, const float* a, const float (*b)[8], int depth);
inline void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Mma own{d, a, b};
  emulator::meet(0xffffffff, &own, [](void* const* items, unsigned) {
    float left[16][16], right[16][8];
    for (int l = 0; l < 32; ++l) {
      const Mma& m = *static_cast<Mma*>(items[l]);
      const int g = l / 4, t = l % 4 * 2;
      for (int i = 0; i < 4; ++i)
        for (int half = 0; half < 2; ++half)
          left[g + i % 2 * 8][t + i / 2 * 8 + half] = from_bf16(static_cast<uint16_t>(m.a[i] >> 16 * half));
      for (int i = 0; i < 2; ++i)
        for (int half = 0; half < 2; ++half) right[t + 8 * i + half][g] = from_bf16(static_cast<uint16_t>(m.b[i] >> 16 * half));
    }
    multiply_add(items, left[0], right, 16);
  });
}
inline void mma_tf32_1688(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Mma own{d, a, b};
  emulator::meet(0xffffffff, &own, [](void* const* items, unsigned) {
    float left[16][8], right[8][8];
    constexpr uint32_t kRead = 0xffffe000;  // the hardware ignores the other bits
    for (int l = 0; l < 32; ++l) {
      const Mma& m = *static_cast<Mma*>(items[l]);
      for (int i = 0; i < 4; ++i) left[l / 4 + i % 2 * 8][l % 4 + i / 2 * 4] = __uint_as_float(m.a[i] & kRead);
      for (int i = 0; i < 2; ++i) right[l % 4 + 4 * i][l / 4] = __uint_as_float(m.b[i] & kRead);
    }
    multiply_add(items, left[0], right, 8);
  });
}

}  // namespace dlrm::cuda
