// Where a program runs: the CPU, where everything is done when the call returns, or a CUDA device, whose work is done in the
// order in which it was put into the stream. All calls throw ERR_DEVICE or ERR_MEMORY for what the device reports.
#pragma once
#include <cstddef>

#include "base/device.h"
#include "base/memory.h"

namespace dlrm {

class Event;

class Stream {
 public:
  explicit Stream(Device device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device device() const { return device_; }
  bool on_device() const { return device_ == Device::cuda; }
  CudaStream handle() const { return handle_; }  // null on the CPU
  const CudaPlugin& plugin() const { return *plugin_; }  // not on the CPU
  MemoryKind memory() const { return on_device() ? MemoryKind::device : MemoryKind::host; }

  // In the order of the stream. copy: ordinary host memory must stay as it is until wait(); some systems read it no earlier.
  void copy(void* to, const void* from, size_t bytes) const;
  void copy_and_wait(void* to, const void* from, size_t bytes) const;
  void zero(void* to, size_t bytes) const;
  void wait() const;  // until all of its work is done
  void wait_for(const Event& event) const;  // what follows in the stream starts after the event
  void check_launches() const;  // throws if one of this thread's failed

 private:
  Device device_;
  const CudaPlugin* plugin_ = nullptr;
  CudaStream handle_ = nullptr;
};

// A place in a stream.
class Event {
 public:
  Event() = default;
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;

  void record(const Stream& stream);
  void wait() const;  // until the work before it is done; at once if never recorded
  CudaEvent handle() const { return handle_; }

 private:
  const CudaPlugin* plugin_ = nullptr;  // since the first record
  CudaEvent handle_ = nullptr;
};

}  // namespace dlrm
