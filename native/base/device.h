// Where a model's numbers live and its kernels run, and the way to the CUDA plugin, which is opened on first use: a machine
// without a GPU notices nothing.
#pragma once
#include <string>

#include "cuda/plugin.h"

namespace dlrm {

enum class Device { cpu, cuda };

const char* device_name(Device device);
// Throws ERR_ARGUMENT for a name that is neither cpu nor cuda.
Device device_from_name(const char* name);

// The plugin beside this binary, or the file that DLRM_CUDA_PLUGIN names. Throws ERR_DEVICE, saying what to do, if there is
// no such file, it is of another version, or there is no driver, a driver too old for it, or no device that it supports.
// What has failed is tried again by the next call.
const CudaPlugin& cuda_plugin();
// What the first call to that plugin found.
const CudaDevice& cuda_device();
// The plugin's file, whether it is there or not.
std::string cuda_plugin_path();

// Throws unless the status is ok: ERR_MEMORY for memory that ran out, else ERR_DEVICE, "cuda: <doing>: ...".
void cuda_check(CudaStatus status, const char* doing);

}  // namespace dlrm
