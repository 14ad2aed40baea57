#include "cuda/sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "cuda/device.cuh"

namespace dlrm::cuda {

size_t sort_pairs_bytes(int64_t n, int bits) {
  size_t bytes = 0;
  const uint32_t* from = nullptr;
  uint32_t* to = nullptr;
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(nullptr, bytes, from, to, from, to, static_cast<int32_t>(n), 0, bits);
  if (error != cudaSuccess) note_launch(error);
  return bytes;
}

void sort_pairs(const uint32_t* keys, uint32_t* sorted_keys, const uint32_t* values, uint32_t* sorted_values, int64_t n, int bits,
                void* scratch, size_t scratch_bytes, CudaStream stream) {
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(scratch, scratch_bytes, keys, sorted_keys, values, sorted_values, static_cast<int32_t>(n), 0, bits,
                                                            static_cast<cudaStream_t>(stream));
  if (error != cudaSuccess) note_launch(error);
}

}  // namespace dlrm::cuda
