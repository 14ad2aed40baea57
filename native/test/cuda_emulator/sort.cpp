// What cuda/sort.cu does with CUB.
#include "cuda/sort.h"

#include <algorithm>
#include <vector>

#include "test/cuda_emulator/emulator.h"

namespace dlrm::cuda {

size_t sort_pairs_bytes(int64_t n, int) { return static_cast<size_t>(n); }

void sort_pairs(const uint32_t* keys, uint32_t* sorted_keys, const uint32_t* values, uint32_t* sorted_values, int64_t n, int bits,
                void*, size_t, CudaStream stream) {
  emulator::enqueue(stream, [=] {
    const auto low = [=](uint32_t key) { return bits < 32 ? key & ((1u << bits) - 1) : key; };
    std::vector<std::pair<uint32_t, uint32_t>> pairs;
    for (int64_t i = 0; i < n; ++i) pairs.emplace_back(keys[i], values[i]);
    std::stable_sort(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) { return low(a.first) < low(b.first); });
    for (int64_t i = 0; i < n; ++i) {
      sorted_keys[i] = pairs[static_cast<size_t>(i)].first;
      sorted_values[i] = pairs[static_cast<size_t>(i)].second;
    }
  });
}

}  // namespace dlrm::cuda
