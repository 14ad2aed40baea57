// Inside the plugin: what both of its runtimes, CUDA's and the emulated one, put into CudaPlugin.
#pragma once
#include "cuda/plugin.h"

namespace dlrm::cuda {

const void* kernels_of(const char* op);                                           // kernels.cpp
void clip(float* scale, const double* squares, double clip_norm, CudaStream);  // clip.cu

}  // namespace dlrm::cuda
