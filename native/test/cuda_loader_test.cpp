// What the loader of the plugin and the device layer say when something is missing or does not fit.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ops/op.h"
#include "test/environment.h"
#include "test/plugin_or_skip.h"

namespace dlrm::test {
namespace {

// The emulated plugin under another name, since one that is open is not asked again.
class CopyOfPlugin {
 public:
  CopyOfPlugin() {
    emulated_plugin_or_skip();
    snprintf(path_, sizeof path_, "/tmp/dlrm_plugin_XXXXXX");
    const int to = mkstemp(path_);
    expect(to >= 0, "mkstemp");
    FILE* from = fopen(getenv("DLRM_CUDA_PLUGIN"), "rb");
    expect(from, "cannot read the plugin");
    char block[1 << 16];
    for (size_t n; (n = fread(block, 1, sizeof block, from)) > 0;) {
      bytes_.append(block, n);
      expect(write(to, block, n) == static_cast<ssize_t>(n), "cannot write the copy");
    }
    fclose(from);
    close(to);
  }
  ~CopyOfPlugin() { unlink(path_); }
  const char* path() const { return path_; }
  void rewrite(const std::string& from, const std::string& to) {
    const size_t at = bytes_.find(from);
    expect(at != std::string::npos && from.size() == to.size(), "no such text in the plugin");
    bytes_.replace(at, from.size(), to);
    FILE* file = fopen(path_, "wb");
    expect(file && fwrite(bytes_.data(), 1, bytes_.size(), file) == bytes_.size(), "cannot write the copy");
    fclose(file);
  }

 private:
  char path_[64];
  std::string bytes_;
};

void expect_refused(const char* text) {
  expect_error(Code::device, text, [] { cuda_plugin(); });
}

TEST(cuda_missing_plugin) {
  const Environment named("DLRM_CUDA_PLUGIN", "/no/such/file.so");
  expect_refused("/no/such/file.so is not there: build it with npm run build:cuda");
}

TEST(cuda_file_that_is_no_library) {
  char path[] = "/tmp/dlrm_no_plugin_XXXXXX";
  const int file = mkstemp(path);
  expect(file >= 0 && write(file, "text", 4) == 4, "mkstemp");
  close(file);
  const Environment named("DLRM_CUDA_PLUGIN", path);
  expect_refused("cannot be loaded");
  unlink(path);
}

TEST(cuda_plugin_of_another_version) {
  CopyOfPlugin copy;
  const std::string abi = plugin_or_skip().abi;
  copy.rewrite(abi, std::string(abi.size(), '0'));
  const Environment named("DLRM_CUDA_PLUGIN", copy.path());
  expect_refused("is of another version (000000000000)");
}

TEST(cuda_library_of_another_kind) {
  CopyOfPlugin copy;
  for (int i = 0; i < 2; ++i) copy.rewrite("dlrm_cuda_plugin", "dlrm_none_plugin");
  const Environment named("DLRM_CUDA_PLUGIN", copy.path());
  expect_refused("is no plugin of dlrm");
}

TEST(cuda_driver_and_device_missing) {
  const CopyOfPlugin copy;
  const Environment named("DLRM_CUDA_PLUGIN", copy.path());
  const std::pair<const char*, const char*> cases[] = {
      {"no_driver", "there is no NVIDIA driver: install one"},
      {"old_driver", "the NVIDIA driver is too old: install a newer one (the driver is for CUDA 11.4"},
      {"no_device", "there is no GPU that this plugin supports: see nvidia-smi"}};
  for (const auto& c : cases) {
    const Environment status("DLRM_CUDA_EMULATED_STATUS", c.first);
    expect_refused(c.second);
  }
  cuda_plugin();  // tried again
}

TEST(cuda_out_of_memory) {
  const CudaPlugin& plugin = emulated_plugin_or_skip();
  const Environment bytes("DLRM_CUDA_EMULATED_BYTES", "1000000");
  void* memory = nullptr;
  expect_error(Code::memory, "use a smaller batch or smaller tables", [&] { cuda_check(plugin.allocate(&memory, 2000000), "the table t"); });
}

TEST(device_names) {
  expect(device_from_name("cuda") == Device::cuda && device_from_name("cpu") == Device::cpu, "names");
  expect(!strcmp(device_name(Device::cuda), "cuda") && !strcmp(device_name(Device::cpu), "cpu"), "names");
  expect_error(Code::argument, "expected cpu or cuda, received \"gpu\"", [] { device_from_name("gpu"); });
}

TEST(ops_without_cuda_kernels_refuse) {
  plugin_or_skip();
  const MakeArgs args{nullptr, "node", {}, {{kPerExample, 4}}, Isa::scalar, Device::cuda};
  expect_error(Code::argument, "[layer_norm] device: this op has no CUDA kernels", [&] { make_op("layer_norm", args); });
}

}  // namespace
}  // namespace dlrm::test
