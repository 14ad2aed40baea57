// Kernels with the mistakes that the emulator must report. kernels("faults") of the emulated plugin.
#pragma once
#include <cstdint>

#include "cuda/plugin.h"

namespace dlrm {

struct CudaFaults {
  void (*leaves_before_barrier)(CudaStream);
  void (*lane_missing)(CudaStream);
  void (*odd_block)(CudaStream);
  void (*too_much_shared)(CudaStream);
  void (*misaligned_fetch)(const float* from, CudaStream);
  // out [256]: thread i reads what thread 255 - i wrote, with a barrier between or without; also inside a warp, lane 31 - i
  void (*exchange)(int32_t* out, bool barrier, bool in_warp, CudaStream);
  // *out = what a cp_async has fetched from `from`, before it was waited for
  void (*early_read)(const float* from, float* out, CudaStream);
  // *out = dynamic shared memory that nobody has written
  void (*unwritten)(float* out, CudaStream);
};

extern const CudaFaults faults_cuda;

}  // namespace dlrm
