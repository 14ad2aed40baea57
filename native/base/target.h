// Target regions: functions between DLRM_TARGET_AVX2 (or _AVX512) and DLRM_TARGET_END are compiled for that instruction
// set while the file itself stays baseline, so nothing compiled for it can be linked into baseline code.
// Inside a region: no std templates, internal linkage only. Include system and intrinsics headers before it.
#pragma once

#define DLRM_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define DLRM_TARGET_BEGIN(features) DLRM_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define DLRM_TARGET_END DLRM_PRAGMA(clang attribute pop)
#else
#define DLRM_TARGET_BEGIN(features) DLRM_PRAGMA(GCC push_options) DLRM_PRAGMA(GCC target(features))
#define DLRM_TARGET_END DLRM_PRAGMA(GCC pop_options)
#endif
#define DLRM_TARGET_AVX2 DLRM_TARGET_BEGIN("avx2,fma,f16c,bmi2")
#define DLRM_TARGET_AVX512 DLRM_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq")
#define DLRM_TARGET_AVX512_BF16 DLRM_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#define DLRM_TARGET_AMX \
  DLRM_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")

// Before a loop over a small array of vectors that should live in registers.
#if defined(__clang__)
#define DLRM_UNROLL DLRM_PRAGMA(unroll)
#else
#define DLRM_UNROLL DLRM_PRAGMA(GCC unroll 16)
#endif

#define DLRM_INLINE inline __attribute__((always_inline))

// Small functions that kernels of every kind call, those of cuda.cu files too.
#if defined(__CUDACC__)
#define DLRM_HOST_DEVICE __host__ __device__
#else
#define DLRM_HOST_DEVICE
#endif
