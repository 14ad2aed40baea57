// What the CUDA device can do at most, measured now: the peak that the benchmark holds the kernels against.
#pragma once
#include <cstdint>

namespace dlrm {

// Copies `bytes` from one place of device memory to another again and again for so many seconds; bytes read and written per
// second, the best copy counts. Throws ERR_ARGUMENT unless `bytes` is from 4096 to 2^36, ERR_DEVICE, ERR_MEMORY.
double cuda_copy_rate(int64_t bytes, double seconds);

// Writes memory several times as large as the last cache of any device: what lay there before no longer does. Throws ERR_MEMORY.
class CudaCacheSweep {
 public:
  CudaCacheSweep();
  ~CudaCacheSweep();
  CudaCacheSweep(const CudaCacheSweep&) = delete;
  void run();  // returns when it is done

 private:
  void* buffer_ = nullptr;
};

}  // namespace dlrm
