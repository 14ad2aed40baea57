// The border between the addon and the CUDA plugin dlrm_cuda.so, which base/device opens on first use. Plain data and C
// functions only: no object of the C++ library and no exception crosses it. Both sides are compiled from the same headers:
// an op's table of kernels (XCuda in ops/x/x.h) and its structs pass as they are, so `abi` must be the same on both.
#pragma once
#include <cstddef>
#include <cstdint>

namespace dlrm {

using CudaStream = void*;
using CudaEvent = void*;
using CudaGraph = void*;

enum class CudaStatus : int32_t { ok, no_driver, old_driver, no_device, out_of_memory, failed };

struct CudaDevice {
  char name[256];
  int32_t major, minor;  // compute capability
  int32_t multiprocessors;
  int32_t driver, runtime;  // as CUDA numbers them: 13000 is 13.0
  int32_t emulated;         // kernels run on the CPU (native/test/cuda_emulator)
  uint64_t bytes, free_bytes;
};

// Device 0 is used; CUDA_VISIBLE_DEVICES chooses it. Every function but error_text may be called from any thread, also while
// another thread records a graph. A null stream is the calling thread's own, which waits for no other. A failure leaves what
// came back untouched; error_text describes the calling thread's last one.
struct CudaPlugin {
  const char* abi;  // the first member for ever: what base/cuda_abi.h has on the other side

  CudaStatus (*describe)(CudaDevice*);  // the first call finds out whether there is a device that runs this plugin
  const char* (*error_text)();

  // Kernels' functions only launch. The first failure among this thread's launches since the last call; then ok again.
  CudaStatus (*launched)();

  CudaStatus (*allocate)(void**, size_t bytes);          // device memory, aligned to 256; contents undefined
  CudaStatus (*allocate_pinned)(void**, size_t bytes);   // host memory that copies reach at full speed
  CudaStatus (*allocate_managed)(void**, size_t bytes);  // both may touch it, the host only while no kernel runs
  CudaStatus (*release)(void*);                          // of any of the three; null is fine
  // Between any two memories. What lies in ordinary host memory must stay as it is until the stream has been waited for.
  CudaStatus (*copy)(void* to, const void* from, size_t bytes, CudaStream);
  CudaStatus (*fill)(void* to, int byte, size_t bytes, CudaStream);

  CudaStatus (*create_stream)(CudaStream*);
  CudaStatus (*destroy_stream)(CudaStream);
  CudaStatus (*synchronise)(CudaStream);  // returns when all its work is done; tells of failures of the device's work too
  CudaStatus (*create_event)(CudaEvent*, bool timed);
  CudaStatus (*destroy_event)(CudaEvent);
  CudaStatus (*record)(CudaEvent, CudaStream);
  CudaStatus (*wait)(CudaStream, CudaEvent);  // what follows in the stream starts after the event
  CudaStatus (*synchronise_event)(CudaEvent);
  CudaStatus (*elapsed)(CudaEvent from, CudaEvent to, float* milliseconds);

  // Between begin and end the stream's work is recorded, not done: launches, copies, fills, records and waits of this
  // stream; an event that it waits for must be one that it has recorded meanwhile. Allocations and synchronisation by the thread that has begun are errors there.
  CudaStatus (*begin_capture)(CudaStream);
  CudaStatus (*end_capture)(CudaStream, CudaGraph*);  // after a failure meanwhile: fails, and the stream is usable again
  CudaStatus (*launch_graph)(CudaGraph, CudaStream);
  CudaStatus (*destroy_graph)(CudaGraph);

  // *scale = the factor that keeps the norm within clip_norm, in device memory; squares as update ops leave it there.
  void (*clip)(float* scale, const double* squares, double clip_norm, CudaStream);

  const void* (*kernels)(const char* op);  // its XCuda; null: this op has none
};

// The plugin's one symbol.
constexpr const char* kCudaEntry = "dlrm_cuda_plugin";
using CudaEntry = const CudaPlugin* (*)();

}  // namespace dlrm
