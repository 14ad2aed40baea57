// A launch over several parts, one after the other: part i has the blocks from part[i].first_block on.
#pragma once
#include "cuda/device.cuh"

namespace dlrm::cuda {

template <class Part>
__device__ __forceinline__ const Part& part_of_block(const Part* part, int count) {
  int low = 0, high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (part[middle].first_block <= static_cast<int>(blockIdx.x))
      low = middle;
    else
      high = middle;
  }
  return part[low];
}

}  // namespace dlrm::cuda
