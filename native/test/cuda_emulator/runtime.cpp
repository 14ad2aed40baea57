// CudaPlugin without CUDA. Work of a stream is done when something synchronises with it, not before, so that a host that reads
// too early sees old numbers. For tests of failures:
//   DLRM_CUDA_EMULATED_STATUS  what describe() answers: no_driver, old_driver, no_device
//   DLRM_CUDA_EMULATED_BYTES   memory of the device
#include "test/cuda_emulator/runtime.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "cuda/kernels.h"
#include "cuda_abi.h"
#include "test/cuda_emulator/emulator.h"

namespace dlrm::emulator {
namespace {

using Work = std::function<void()>;

struct Stream {
  std::deque<Work> queue;
  uint64_t put = 0, done = 0;  // works so far
  bool capturing = false, spoilt = false;
  std::vector<Work> captured;
};

struct Event {
  Stream* stream = nullptr;
  uint64_t position = 0;
};

struct Allocation {
  size_t bytes;
  bool device;
};

std::recursive_mutex mutex;
std::set<Stream*> streams;
std::map<char*, Allocation> allocations;
size_t device_bytes = 0;
std::string fault_text;              // of work done since the last synchronisation
thread_local std::string error;      // error_text()

using Lock = std::lock_guard<std::recursive_mutex>;

CudaStatus fail_with(CudaStatus status, const std::string& text) {
  error = text;
  return status;
}

void drain(Stream& stream, uint64_t position) {
  while (stream.done < position && !stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work();
    ++stream.done;
  }
}

void put(Stream& stream, Work work) {
  if (stream.capturing) return stream.captured.push_back(std::move(work));
  stream.queue.push_back(std::move(work));
  ++stream.put;
}

CudaStatus outcome() {
  if (fault_text.empty()) return CudaStatus::ok;
  const std::string text = std::move(fault_text);
  fault_text.clear();
  return fail_with(CudaStatus::failed, text);
}

bool any_capturing() {
  for (Stream* stream : streams)
    if (stream->capturing) return stream->spoilt = true;
  return false;
}

CudaStatus drain_all() {
  if (any_capturing()) return fail_with(CudaStatus::failed, "not permitted while a stream is being captured");
  for (Stream* stream : streams) drain(*stream, stream->put);
  return CudaStatus::ok;
}

bool is_ours(const void* p) {
  auto after = allocations.upper_bound(static_cast<char*>(const_cast<void*>(p)));
  if (after == allocations.begin()) return false;
  --after;
  return static_cast<const char*>(p) < after->first + after->second.bytes;
}

size_t capacity() {
  const char* bytes = getenv("DLRM_CUDA_EMULATED_BYTES");
  return bytes ? strtoull(bytes, nullptr, 10) : size_t{1} << 34;
}

CudaStatus describe(CudaDevice* device) {
  const char* status = getenv("DLRM_CUDA_EMULATED_STATUS");
  if (status && !strcmp(status, "no_driver")) return fail_with(CudaStatus::no_driver, "no driver (emulated)");
  if (status && !strcmp(status, "old_driver")) return fail_with(CudaStatus::old_driver, "the driver is for CUDA 11.4 (emulated)");
  if (status && !strcmp(status, "no_device")) return fail_with(CudaStatus::no_device, "no device (emulated)");
  const Lock lock(mutex);
  *device = {};
  strncpy(device->name, "emulated", sizeof device->name - 1);
  device->major = 8;
  device->multiprocessors = 1;
  device->driver = device->runtime = 13000;
  device->emulated = 1;
  device->bytes = capacity();
  device->free_bytes = capacity() - device_bytes;
  return CudaStatus::ok;
}

CudaStatus allocate_any(void** to, size_t bytes, bool device) {
  const Lock lock(mutex);
  if (any_capturing()) return fail_with(CudaStatus::failed, "allocation while a stream is being captured");
  if (device && (bytes > capacity() || bytes + device_bytes > capacity())) return fail_with(CudaStatus::out_of_memory, "out of memory (emulated)");
  const size_t rounded = (bytes + 255) / 256 * 256 + (bytes ? 0 : 256);
  auto* p = static_cast<char*>(aligned_alloc(256, rounded));
  if (!p) return fail_with(CudaStatus::out_of_memory, "out of memory");
  memset(p, 0xff, rounded);
  if (device) device_bytes += rounded;
  allocations[p] = {rounded, device};
  *to = p;
  return CudaStatus::ok;
}

CudaStatus allocate(void** to, size_t bytes) { return allocate_any(to, bytes, true); }
CudaStatus allocate_host(void** to, size_t bytes) { return allocate_any(to, bytes, false); }

CudaStatus release(void* p) {
  if (!p) return CudaStatus::ok;
  const Lock lock(mutex);
  const CudaStatus status = drain_all();
  if (status != CudaStatus::ok) return status;
  const auto at = allocations.find(static_cast<char*>(p));
  if (at == allocations.end()) return fail_with(CudaStatus::failed, "released what was not allocated");
  if (at->second.device) device_bytes -= at->second.bytes;
  free(p);
  allocations.erase(at);
  return CudaStatus::ok;
}

CudaStatus copy(void* to, const void* from, size_t bytes, CudaStream stream) {
  if (!bytes) return CudaStatus::ok;
  const Lock lock(mutex);
  enqueue(stream, [=] { memcpy(to, from, bytes); });
  auto* s = static_cast<Stream*>(stream);
  // Copies from and to memory that CUDA did not allocate are done when the call returns.
  if (s && !s->capturing && (!is_ours(to) || !is_ours(from))) drain(*s, s->put);
  return CudaStatus::ok;
}

CudaStatus fill(void* to, int byte, size_t bytes, CudaStream stream) {
  enqueue(stream, [=] { memset(to, byte, bytes); });
  return CudaStatus::ok;
}

CudaStatus create_stream(CudaStream* stream) {
  const Lock lock(mutex);
  auto* made = new Stream;
  streams.insert(made);
  *stream = made;
  return CudaStatus::ok;
}

CudaStatus destroy_stream(CudaStream stream) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  drain(*s, s->put);
  streams.erase(s);
  delete s;
  return CudaStatus::ok;
}

CudaStatus synchronise(CudaStream stream) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (!s) {
    const CudaStatus status = drain_all();
    return status == CudaStatus::ok ? outcome() : status;
  }
  if (s->capturing) {
    s->spoilt = true;
    return fail_with(CudaStatus::failed, "synchronisation of a stream that is being captured");
  }
  drain(*s, s->put);
  return outcome();
}

CudaStatus create_event(CudaEvent* event, bool) {
  *event = new Event;
  return CudaStatus::ok;
}
CudaStatus destroy_event(CudaEvent event) {
  delete static_cast<Event*>(event);
  return CudaStatus::ok;
}

CudaStatus record(CudaEvent event, CudaStream stream) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (s && !s->capturing) *static_cast<Event*>(event) = {s, s->put};
  return CudaStatus::ok;
}

CudaStatus wait(CudaStream stream, CudaEvent event) {
  const Lock lock(mutex);
  const Event e = *static_cast<Event*>(event);
  if (!e.stream) return CudaStatus::ok;
  enqueue(stream, [e] {
    if (streams.count(e.stream)) drain(*e.stream, e.position);
  });
  return CudaStatus::ok;
}

CudaStatus synchronise_event(CudaEvent event) {
  const Lock lock(mutex);
  const Event e = *static_cast<Event*>(event);
  if (e.stream && streams.count(e.stream)) drain(*e.stream, e.position);
  return outcome();
}

CudaStatus elapsed(CudaEvent, CudaEvent, float* milliseconds) {
  *milliseconds = 1;
  return CudaStatus::ok;
}

CudaStatus begin_capture(CudaStream stream) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (!s || s->capturing) return fail_with(CudaStatus::failed, "this stream cannot be captured");
  s->capturing = true;
  s->spoilt = false;
  s->captured.clear();
  return CudaStatus::ok;
}

CudaStatus end_capture(CudaStream stream, CudaGraph* graph) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (!s || !s->capturing) return fail_with(CudaStatus::failed, "this stream is not being captured");
  s->capturing = false;
  if (s->spoilt) return fail_with(CudaStatus::failed, "the capture has failed: something was called that is not permitted meanwhile");
  *graph = new std::vector<Work>(std::move(s->captured));
  s->captured.clear();
  return CudaStatus::ok;
}

CudaStatus launch_graph(CudaGraph graph, CudaStream stream) {
  const auto works = *static_cast<std::vector<Work>*>(graph);
  enqueue(stream, [works] {
    for (const Work& work : works) work();
  });
  return CudaStatus::ok;
}

CudaStatus destroy_graph(CudaGraph graph) {
  delete static_cast<std::vector<Work>*>(graph);
  return CudaStatus::ok;
}

const CudaPlugin plugin = {
    kCudaAbi,      describe,       [] { return error.c_str(); },
    [] { return CudaStatus::ok; },
    allocate,      allocate_host,  allocate_host,
    release,       copy,           fill,
    create_stream, destroy_stream, synchronise,
    create_event,  destroy_event,  record,
    wait,          synchronise_event, elapsed,
    begin_capture, end_capture,    launch_graph,
    destroy_graph, cuda::clip,     cuda::kernels_of,
};

}  // namespace

void note_fault(const std::string& what) { fault_text = what; }

void enqueue(CudaStream stream, Work work) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (s) return put(*s, std::move(work));
  for (Stream* other : streams) drain(*other, other->put);
  work();
}

}  // namespace dlrm::emulator

extern "C" __attribute__((visibility("default"))) const dlrm::CudaPlugin* dlrm_cuda_plugin() { return &dlrm::emulator::plugin; }
