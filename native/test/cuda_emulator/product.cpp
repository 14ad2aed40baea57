// The sums of the emulated tensor cores, in the widest vectors that the machine has: rounded to nearest, one after the other.
// With DLRM_CUDA_EMULATED_CUT in the environment, slowly, as the hardware makes them at worst: products and sum are lined up
// below the largest of them, cut to 24 bits there, added, and the sum is cut again (Fasi et al. 2021, "Numerical behavior of
// NVIDIA tensor cores"; later chips keep a bit or more beyond these).
#include "test/cuda_emulator/intrinsics.h"

#include <cmath>
#include <cstdlib>

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define DLRM_WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define DLRM_WIDEST
#endif

namespace dlrm::cuda {
namespace {

typedef float Row __attribute__((vector_size(32)));

DLRM_WIDEST void add_products(float* sum, const float* a, const float (*b)[8], int depth) {
  for (int i = 0; i < 16; i += 4) {
    Row sums[4];
    memcpy(sums, sum + i * 8, sizeof sums);
    for (int k = 0; k < depth; ++k) {
      Row row;
      memcpy(&row, b[k], sizeof row);
      for (int n = 0; n < 4; ++n) sums[n] += a[(i + n) * depth + k] * row;
    }
    memcpy(sum + i * 8, sums, sizeof sums);
  }
}

void add_cut(float* sum, const float* a, const float (*b)[8], int depth) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double terms[17] = {static_cast<double>(sum[i * 8 + j])}, largest = std::fabs(terms[0]), total = 0;
      for (int k = 0; k < depth; ++k) {
        terms[k + 1] = static_cast<double>(a[i * depth + k]) * static_cast<double>(b[k][j]);
        largest = std::fmax(largest, std::fabs(terms[k + 1]));
      }
      if (largest == 0 || !std::isfinite(largest)) {
        for (int k = 0; k <= depth; ++k) total += terms[k];
        sum[i * 8 + j] = static_cast<float>(total);
        continue;
      }
      const double unit = std::ldexp(1.0, std::ilogb(largest) - 23);
      for (int k = 0; k <= depth; ++k) total += std::trunc(terms[k] / unit) * unit;
      const double last = total == 0 ? 1 : std::ldexp(1.0, std::ilogb(total) - 23);
      sum[i * 8 + j] = static_cast<float>(std::trunc(total / last) * last);
    }
}

}  // namespace

void multiply_add(void* const* items, const float* a, const float (*b)[8], int depth) {
  float sum[16][8];
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) sum[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2] = static_cast<Mma*>(items[l])->d[i];
  static const bool cut = getenv("DLRM_CUDA_EMULATED_CUT") != nullptr;
  (cut ? add_cut : add_products)(sum[0], a, b, depth);
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) static_cast<Mma*>(items[l])->d[i] = sum[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
}

}  // namespace dlrm::cuda
