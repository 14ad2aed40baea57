// Sorts on the device. The sort is stable: pairs of equal keys keep their order.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cuda/plugin.h"

namespace dlrm::cuda {

// Of scratch for n pairs. Launches nothing.
size_t sort_pairs_bytes(int64_t n, int bits);
// sorted_keys and sorted_values become the pairs (keys[i], values[i]) in the order of the keys' lower `bits` bits, 1 to 32;
// the others are 0. n below 2^31. A failure is kept for CudaPlugin::launched.
void sort_pairs(const uint32_t* keys, uint32_t* sorted_keys, const uint32_t* values, uint32_t* sorted_values, int64_t n, int bits,
                void* scratch, size_t scratch_bytes, CudaStream);

}  // namespace dlrm::cuda
