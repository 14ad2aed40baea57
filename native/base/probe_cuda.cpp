#include "base/probe_cuda.h"

#include <algorithm>
#include <chrono>

#include "base/device.h"
#include "base/error.h"

namespace dlrm {
namespace {

// Two buffers, a stream and two events of the device; errors of giving them back are of no use to anybody.
class Copies {
 public:
  explicit Copies(size_t bytes) : bytes_(bytes) {
    try {
      cuda_check(plugin_.create_stream(&stream_), "creating a stream");
      for (CudaEvent& event : events_) cuda_check(plugin_.create_event(&event, true), "creating an event");
      for (void*& buffer : buffers_) {
        cuda_check(plugin_.allocate(&buffer, bytes), "allocating memory to copy");
        cuda_check(plugin_.fill(buffer, 1, bytes, stream_), "filling memory");
      }
    } catch (...) {
      release();
      throw;
    }
  }
  ~Copies() { release(); }
  Copies(const Copies&) = delete;

  double seconds() {
    cuda_check(plugin_.record(events_[0], stream_), "timing a copy");
    cuda_check(plugin_.copy(buffers_[0], buffers_[1], bytes_, stream_), "copying");
    cuda_check(plugin_.record(events_[1], stream_), "timing a copy");
    cuda_check(plugin_.synchronise(stream_), "copying");
    float milliseconds = 0;
    cuda_check(plugin_.elapsed(events_[0], events_[1], &milliseconds), "timing a copy");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  void release() {
    for (void* buffer : buffers_) plugin_.release(buffer);
    for (CudaEvent event : events_)
      if (event) plugin_.destroy_event(event);
    if (stream_) plugin_.destroy_stream(stream_);
  }

  const CudaPlugin& plugin_ = cuda_plugin();
  const size_t bytes_;
  CudaStream stream_ = nullptr;
  CudaEvent events_[2] = {};
  void* buffers_[2] = {};
};

constexpr size_t kSweptBytes = 512 << 20;

}  // namespace

CudaCacheSweep::CudaCacheSweep() {
  const size_t bytes = cuda_device().emulated ? 4096 : kSweptBytes;
  cuda_check(cuda_plugin().allocate(&buffer_, bytes), "allocating memory to empty the caches with");
}

CudaCacheSweep::~CudaCacheSweep() { cuda_plugin().release(buffer_); }

void CudaCacheSweep::run() {
  cuda_check(cuda_plugin().fill(buffer_, 1, cuda_device().emulated ? 4096 : kSweptBytes, nullptr), "emptying the caches");
  cuda_check(cuda_plugin().synchronise(nullptr), "emptying the caches");
}

double cuda_copy_rate(int64_t bytes, double seconds) {
  if (bytes < 4096 || bytes > int64_t{1} << 36) fail(Code::argument, "probe: bytes: expected 4096 to 2^36, received %lld", static_cast<long long>(bytes));
  using Clock = std::chrono::steady_clock;
  Copies copies(static_cast<size_t>(bytes));
  copies.seconds();  // the first one finds memory untouched
  double best = copies.seconds();
  for (const auto begin = Clock::now(); std::chrono::duration<double>(Clock::now() - begin).count() < seconds;)
    best = std::min(best, copies.seconds());
  return 2 * static_cast<double>(bytes) / std::max(best, 1e-9);
}

}  // namespace dlrm
