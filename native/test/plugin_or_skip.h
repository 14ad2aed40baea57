// What a test of the GPU asks for; where it is not there, the test is skipped.
#pragma once
#include <cstdlib>

#include "base/device.h"
#include "test/test.h"

namespace dlrm::test {

// The plugin that main.cpp has chosen.
inline const CudaPlugin& plugin_or_skip() {
  if (!getenv("DLRM_CUDA_PLUGIN")) throw Skip{"there is no CUDA plugin"};
  return cuda_plugin();
}

// The same, emulated.
inline const CudaPlugin& emulated_plugin_or_skip() {
  const CudaPlugin& plugin = plugin_or_skip();
  if (!cuda_device().emulated) throw Skip{"needs the emulated plugin"};
  return plugin;
}

}  // namespace dlrm::test
