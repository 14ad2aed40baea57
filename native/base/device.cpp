#include "base/device.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "cuda_abi.h"

namespace dlrm {
namespace {

constexpr const char* kFile = "dlrm_cuda.so";

struct Opened {
  std::string path;
  const CudaPlugin* plugin = nullptr;
  CudaDevice device = {};
};

const CudaPlugin* open_plugin(const std::string& path) {
  if (access(path.c_str(), R_OK))
    fail(Code::device, "cuda: %s is not there: build it with npm run build:cuda (it needs nvcc), or name another in DLRM_CUDA_PLUGIN",
         path.c_str());
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail(Code::device, "cuda: %s cannot be loaded (%s): build it again with npm run build:cuda", path.c_str(), dlerror());
  const auto entry = reinterpret_cast<CudaEntry>(dlsym(library, kCudaEntry));
  if (!entry) {
    dlclose(library);
    fail(Code::device, "cuda: %s is no plugin of dlrm: build one with npm run build:cuda, or correct DLRM_CUDA_PLUGIN", path.c_str());
  }
  const CudaPlugin* plugin = entry();
  if (strcmp(plugin->abi, kCudaAbi)) {
    const std::string abi = plugin->abi;
    dlclose(library);
    fail(Code::device, "cuda: %s is of another version (%.12s) than this build of dlrm (%.12s): build both from the same sources with npm run build:native and npm run build:cuda",
         path.c_str(), abi.c_str(), kCudaAbi);
  }
  return plugin;
}

[[noreturn]] void refuse(CudaStatus status, const char* why) {
  const char* remedy = status == CudaStatus::no_driver
                           ? "there is no NVIDIA driver: install one, or, in a container, run it with GPU support (--gpus all)"
                       : status == CudaStatus::old_driver ? "the NVIDIA driver is too old: install a newer one"
                       : status == CudaStatus::no_device
                           ? "there is no GPU that this plugin supports: see nvidia-smi, CUDA_VISIBLE_DEVICES and the access rights of /dev/nvidia*"
                       : status == CudaStatus::out_of_memory ? "the GPU has no memory left: end what else runs there (nvidia-smi lists it)"
                                                             : "the GPU cannot be used: nvidia-smi may tell why";
  fail(status == CudaStatus::out_of_memory ? Code::memory : Code::device, "cuda: %s (%s). The CPU needs none of it: device \"cpu\"", remedy, why);
}

// A plugin stays open once it is; another path opens another one.
const Opened& opened() {
  static std::mutex mutex;
  static Opened last;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::string path = cuda_plugin_path();
  if (last.plugin && last.path == path) return last;
  Opened now{path, open_plugin(path), {}};
  const CudaStatus status = now.plugin->describe(&now.device);
  if (status != CudaStatus::ok) refuse(status, now.plugin->error_text());
  last = now;
  return last;
}

}  // namespace

const char* device_name(Device device) { return device == Device::cuda ? "cuda" : "cpu"; }

Device device_from_name(const char* name) {
  if (!strcmp(name, "cpu")) return Device::cpu;
  if (!strcmp(name, "cuda")) return Device::cuda;
  fail(Code::argument, "device: expected cpu or cuda, received \"%s\"", name);
}

std::string cuda_plugin_path() {
  const char* named = getenv("DLRM_CUDA_PLUGIN");
  if (named && *named) return named;
  Dl_info here;
  if (!dladdr(reinterpret_cast<void*>(&device_name), &here) || !here.dli_fname) return kFile;
  const std::string file = here.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? std::string("./") + kFile : file.substr(0, slash + 1) + kFile;
}

const CudaPlugin& cuda_plugin() { return *opened().plugin; }
const CudaDevice& cuda_device() { return opened().device; }

void cuda_check(CudaStatus status, const char* doing) {
  if (status == CudaStatus::ok) return;
  const char* why = opened().plugin->error_text();
  if (status == CudaStatus::out_of_memory)
    fail(Code::memory, "cuda: %s: the GPU's memory has run out (%.1f MB in all): use a smaller batch or smaller tables, or end what else runs there (%s)",
         doing, static_cast<double>(opened().device.bytes) / 1e6, why);
  fail(Code::device, "cuda: %s: %s", doing, why);
}

}  // namespace dlrm
