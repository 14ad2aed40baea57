// The sums of the emulated tensor cores, in the widest vectors that the machine has.
#include "test/cuda_emulator/intrinsics.h"

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

}  // namespace

void multiply_add(void* const* items, const float* a, const float (*b)[8], int depth) {
  float sum[16][8];
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) sum[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2] = static_cast<Mma*>(items[l])->d[i];
  add_products(sum[0], a, b, depth);
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) static_cast<Mma*>(items[l])->d[i] = sum[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
}

}  // namespace dlrm::cuda
