// CudaPlugin with CUDA.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include "cuda/device.cuh"
#include "cuda/kernels.h"
#include "cuda_abi.h"

namespace dlrm::cuda {
namespace {

thread_local char text[512];
thread_local cudaError_t first_launch_error = cudaSuccess;

CudaStatus status_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return CudaStatus::ok;
    case cudaErrorMemoryAllocation: return CudaStatus::out_of_memory;
    case cudaErrorInsufficientDriver: return CudaStatus::old_driver;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoKernelImageForDevice: return CudaStatus::no_device;
    case cudaErrorStubLibrary:
    case cudaErrorInitializationError: return CudaStatus::no_driver;
    default: return CudaStatus::failed;
  }
}

CudaStatus check(cudaError_t error) {
  if (error == cudaSuccess) return CudaStatus::ok;
  cudaGetLastError();  // what is not sticky must not be told twice
  snprintf(text, sizeof text, "%s: %s", cudaGetErrorName(error), cudaGetErrorString(error));
  return status_of(error);
}

// Null is the calling thread's own stream. Neither CUDA's default stream nor a wait for the whole device would do: while another
// thread records a graph they fail, and spoil what it records.
cudaStream_t of(CudaStream stream) { return stream ? static_cast<cudaStream_t>(stream) : cudaStreamPerThread; }
cudaEvent_t event_of(CudaEvent event) { return static_cast<cudaEvent_t>(event); }

__global__ void nothing() {}

CudaStatus describe(CudaDevice* device) {
  CudaDevice found = {};
  cudaDriverGetVersion(&found.driver);
  cudaRuntimeGetVersion(&found.runtime);
  // Without a driver its version is 0, and CUDA calls it too old.
  if (!found.driver) {
    snprintf(text, sizeof text, "libcuda.so.1 cannot be loaded");
    return CudaStatus::no_driver;
  }
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    check(error);
    snprintf(text, sizeof text, "the driver is for CUDA %d.%d, this plugin needs %d.%d", found.driver / 1000, found.driver % 1000 / 10,
             found.runtime / 1000, found.runtime % 1000 / 10);
    return CudaStatus::old_driver;
  }
  cudaDeviceProp properties;
  cudaFuncAttributes attributes;
  if (error == cudaSuccess && !count) error = cudaErrorNoDevice;
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, 0);
  if (error == cudaSuccess && properties.major < 8) {
    snprintf(text, sizeof text, "%s has compute capability %d.%d, the least is 8.0", properties.name, properties.major, properties.minor);
    return CudaStatus::no_device;
  }
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, nothing);
  size_t free_bytes = 0, bytes = 0;
  if (error == cudaSuccess) error = cudaMemGetInfo(&free_bytes, &bytes);
  if (error != cudaSuccess) return check(error);
  static_assert(sizeof found.name >= sizeof properties.name, "names fit");
  memcpy(found.name, properties.name, sizeof properties.name);
  found.major = properties.major;
  found.minor = properties.minor;
  found.multiprocessors = properties.multiProcessorCount;
  found.bytes = bytes;
  found.free_bytes = free_bytes;
  *device = found;
  return CudaStatus::ok;
}

CudaStatus launched() {
  const cudaError_t error = first_launch_error;
  first_launch_error = cudaSuccess;
  return check(error);
}

CudaStatus release(void* p) {
  if (!p) return CudaStatus::ok;
  cudaPointerAttributes attributes;
  const cudaError_t error = cudaPointerGetAttributes(&attributes, p);
  if (error != cudaSuccess) return check(error);
  return check(attributes.type == cudaMemoryTypeHost ? cudaFreeHost(p) : cudaFree(p));
}

// Where a system has no managed memory, kernels reach pinned memory of the host: slowly, but for small work and tests it does.
CudaStatus allocate_managed(void** to, size_t bytes) {
  const cudaError_t error = cudaMallocManaged(to, bytes ? bytes : 1);
  if (error != cudaErrorNotSupported && error != cudaErrorOperatingSystem) return check(error);
  cudaGetLastError();
  return check(cudaMallocHost(to, bytes ? bytes : 1));
}

CudaStatus create_stream(CudaStream* stream) {
  cudaStream_t made;
  const CudaStatus status = check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
  if (status == CudaStatus::ok) *stream = made;
  return status;
}

CudaStatus create_event(CudaEvent* event, bool timed) {
  cudaEvent_t made;
  const CudaStatus status = check(cudaEventCreateWithFlags(&made, timed ? cudaEventDefault : cudaEventDisableTiming));
  if (status == CudaStatus::ok) *event = made;
  return status;
}

CudaStatus end_capture(CudaStream stream, CudaGraph* graph) {
  cudaGraph_t captured = nullptr;
  CudaStatus status = check(cudaStreamEndCapture(of(stream), &captured));
  if (status != CudaStatus::ok) return status;
  cudaGraphExec_t made;
  status = check(cudaGraphInstantiate(&made, captured, 0));
  cudaGraphDestroy(captured);
  if (status == CudaStatus::ok) *graph = made;
  return status;
}

const CudaPlugin plugin = {
    kCudaAbi,
    describe,
    [] { return static_cast<const char*>(text); },
    launched,
    [](void** to, size_t bytes) { return check(cudaMalloc(to, bytes ? bytes : 1)); },
    [](void** to, size_t bytes) { return check(cudaMallocHost(to, bytes ? bytes : 1)); },
    allocate_managed,
    release,
    [](void* to, const void* from, size_t bytes, CudaStream stream) {
      return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, of(stream)));
    },
    [](void* to, int byte, size_t bytes, CudaStream stream) { return check(cudaMemsetAsync(to, byte, bytes, of(stream))); },
    create_stream,
    [](CudaStream stream) { return check(cudaStreamDestroy(of(stream))); },
    [](CudaStream stream) { return check(cudaStreamSynchronize(of(stream))); },
    create_event,
    [](CudaEvent event) { return check(cudaEventDestroy(event_of(event))); },
    [](CudaEvent event, CudaStream stream) { return check(cudaEventRecord(event_of(event), of(stream))); },
    [](CudaStream stream, CudaEvent event) { return check(cudaStreamWaitEvent(of(stream), event_of(event), 0)); },
    [](CudaEvent event) { return check(cudaEventSynchronize(event_of(event))); },
    [](CudaEvent from, CudaEvent to, float* ms) { return check(cudaEventElapsedTime(ms, event_of(from), event_of(to))); },
    [](CudaStream stream) { return check(cudaStreamBeginCapture(of(stream), cudaStreamCaptureModeThreadLocal)); },
    end_capture,
    [](CudaGraph graph, CudaStream stream) { return check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), of(stream))); },
    [](CudaGraph graph) { return check(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph))); },
    clip,
    kernels_of,
};

}  // namespace

int64_t most_shared_bytes() {
  static const int bytes = [] {
    int most = 0;
    return cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) == cudaSuccess ? most : 48 << 10;
  }();
  return bytes;
}

// The limit is the kernel's, not the launch's: one that another thread lowers fails a launch between the two calls.
cudaError_t allow_shared(const void* kernel, size_t bytes) {
  static std::mutex mutex;
  static std::map<const void*, size_t>& allowed = *new std::map<const void*, size_t>;
  const std::lock_guard<std::mutex> lock(mutex);
  size_t& most = allowed[kernel];
  if (bytes <= most) return cudaSuccess;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (error == cudaSuccess) most = bytes;
  return error;
}

void note_launch(cudaError_t error) {
  cudaGetLastError();
  if (first_launch_error == cudaSuccess) first_launch_error = error;
}

}  // namespace dlrm::cuda

extern "C" __attribute__((visibility("default"))) const dlrm::CudaPlugin* dlrm_cuda_plugin() { return &dlrm::cuda::plugin; }
