#include "exec/stream.h"

#include <cstring>
#include <utility>

namespace dlrm {

Stream::Stream(Device device) : device_(device) {
  if (!on_device()) return;
  plugin_ = &cuda_plugin();
  cuda_check(plugin_->create_stream(&handle_), "a stream");
}

Stream::~Stream() {
  if (!on_device()) return;
  plugin_->synchronise(handle_);
  plugin_->destroy_stream(handle_);
}

void Stream::copy(void* to, const void* from, size_t bytes) const {
  if (!bytes) return;
  if (on_device())
    cuda_check(plugin_->copy(to, from, bytes, handle_), "a copy");
  else
    memcpy(to, from, bytes);
}

void Stream::copy_and_wait(void* to, const void* from, size_t bytes) const {
  copy(to, from, bytes);
  wait();
}

void Stream::zero(void* to, size_t bytes) const {
  if (on_device())
    cuda_check(plugin_->fill(to, 0, bytes, handle_), "zeros");
  else
    memset(to, 0, bytes);
}

void Stream::wait() const {
  if (on_device()) cuda_check(plugin_->synchronise(handle_), "waiting for the kernels");
}

void Stream::wait_for(const Event& event) const {
  if (event.handle()) cuda_check(plugin_->wait(handle_, event.handle()), "waiting for an event");
}

void Stream::check_launches() const {
  if (on_device()) cuda_check(plugin_->launched(), "a kernel");
}

Event::~Event() {
  if (handle_) plugin_->destroy_event(handle_);
}

Event::Event(Event&& other) noexcept : plugin_(other.plugin_), handle_(std::exchange(other.handle_, nullptr)) {}

Event& Event::operator=(Event&& other) noexcept {
  std::swap(plugin_, other.plugin_);
  std::swap(handle_, other.handle_);
  return *this;
}

void Event::record(const Stream& stream) {
  if (!handle_) {
    plugin_ = &stream.plugin();
    cuda_check(plugin_->create_event(&handle_, false), "an event");
  }
  cuda_check(plugin_->record(handle_, stream.handle()), "an event");
}

void Event::wait() const {
  if (handle_) cuda_check(plugin_->synchronise_event(handle_), "waiting for the kernels");
}

}  // namespace dlrm
