// CudaPlugin without CUDA. Work of a stream is done when something synchronises with it, not before, so that a host that reads
// too early sees old numbers, and a copy reads ordinary memory of the host as late; of no stream, at once. Device memory is inaccessible but while that work is done, and ends at an inaccessible page: host
// code that touches it, and kernels that leave it, crash. For tests of failures:
//   DLRM_CUDA_EMULATED_STATUS  what describe() answers: no_driver, old_driver, no_device
//   DLRM_CUDA_EMULATED_BYTES   memory of the device
#include "test/cuda_emulator/runtime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "cuda/kernels.h"
#include "cuda_abi.h"
#include "test/cuda_emulator/emulator.h"
#include "test/cuda_emulator/faults.h"
#include "test/sanitizer.h"

namespace dlrm::emulator {
namespace {

using Work = std::function<void()>;

struct Stream {
  std::deque<Work> queue;
  uint64_t put = 0, done = 0;  // works so far
  bool capturing = false, spoilt = false;
  std::thread::id captured_by;
  std::vector<Work> captured;
};

struct Event {
  Stream* stream = nullptr;
  uint64_t position = 0;
  bool captured = false;
};

struct Allocation {
  size_t bytes;
  char* map;  // of device memory, with an inaccessible page behind it
  size_t map_bytes;
};

// Never destroyed: objects that end with the process still release their memory. In place: the loader opens a library that it
// then refuses, and a leak checker would miss memory that only the closed one knew of. One of each type.
template <class T>
T& undying() {
  alignas(T) static char room[sizeof(T)];
  return *new (room) T;
}
std::recursive_mutex& mutex = undying<std::recursive_mutex>();
std::set<Stream*>& streams = undying<std::set<Stream*>>();
std::map<char*, Allocation>& allocations = undying<std::map<char*, Allocation>>();
size_t device_bytes = 0;
int working = 0;                 // drains within each other
std::string& fault_text = undying<std::string>();  // of work done since the last synchronisation
thread_local std::string error;  // error_text()

using Lock = std::lock_guard<std::recursive_mutex>;

// Device memory is accessible while one of these lives.
struct Working {
  Working() {
    if (!working++) protect(PROT_READ | PROT_WRITE);
  }
  ~Working() {
    if (!--working) protect(PROT_NONE);
  }
  static void protect(int access) {
    for (const auto& item : allocations)
      if (item.second.map) mprotect(item.second.map, item.second.map_bytes, access);
  }
};

CudaStatus fail_with(CudaStatus status, const std::string& text) {
  error = text;
  return status;
}

void drain(Stream& stream, uint64_t position) {
  if (stream.done >= position || stream.queue.empty()) return;
  const Working now;
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

// As in the capture mode that is local to a thread: what is forbidden spoils this thread's capture, no other's.
bool this_thread_captures() {
  for (Stream* stream : streams)
    if (stream->capturing && stream->captured_by == std::this_thread::get_id()) return stream->spoilt = true;
  return false;
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

size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256 + (bytes ? 0 : 256); }

// NaN everywhere, unless that would take long.
void poison(char* p, size_t bytes) {
  constexpr size_t kMost = 64 << 20;
  memset(p, 0xff, bytes < kMost ? bytes : kMost);
}

CudaStatus allocate(void** to, size_t bytes) {
  const Lock lock(mutex);
  if (this_thread_captures()) return fail_with(CudaStatus::failed, "allocation while a stream is being captured");
  if (bytes > capacity() || bytes + device_bytes > capacity()) return fail_with(CudaStatus::out_of_memory, "out of memory (emulated)");
  const size_t own = rounded(bytes), page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), map_bytes = (own + page - 1) / page * page;
  void* map = mmap(nullptr, map_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return fail_with(CudaStatus::out_of_memory, "out of memory");
  auto *begin = static_cast<char*>(map), *p = begin + map_bytes - own;
  poison(p, own);
  mprotect(begin, map_bytes, working ? PROT_READ | PROT_WRITE : PROT_NONE);
  mprotect(begin + map_bytes, page, PROT_NONE);
  device_bytes += own;
  allocations[p] = {own, begin, map_bytes};
  test::forbid(begin, map_bytes);
  test::allow(p, bytes);
  *to = p;
  return CudaStatus::ok;
}

// Pinned and managed memory: the host's.
CudaStatus allocate_host(void** to, size_t bytes) {
  const Lock lock(mutex);
  if (this_thread_captures()) return fail_with(CudaStatus::failed, "allocation while a stream is being captured");
  auto* p = static_cast<char*>(aligned_alloc(256, rounded(bytes)));
  if (!p) return fail_with(CudaStatus::out_of_memory, "out of memory");
  poison(p, rounded(bytes));
  allocations[p] = {rounded(bytes), nullptr, 0};
  *to = p;
  return CudaStatus::ok;
}

CudaStatus release(void* p) {
  if (!p) return CudaStatus::ok;
  const Lock lock(mutex);
  if (this_thread_captures()) return fail_with(CudaStatus::failed, "release while a stream is being captured");
  for (Stream* stream : streams) drain(*stream, stream->put);
  const auto at = allocations.find(static_cast<char*>(p));
  if (at == allocations.end()) return fail_with(CudaStatus::failed, "released what was not allocated");
  const Allocation gone = at->second;
  allocations.erase(at);
  if (!gone.map) return free(p), CudaStatus::ok;
  device_bytes -= gone.bytes;
  test::allow(gone.map, gone.map_bytes);
  munmap(gone.map, gone.map_bytes + static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  return CudaStatus::ok;
}

CudaStatus copy(void* to, const void* from, size_t bytes, CudaStream stream) {
  if (!bytes) return CudaStatus::ok;
  enqueue(stream, [=] { memcpy(to, from, bytes); });
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
  if (!s) return outcome();  // its work was done at once
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
  if (s) *static_cast<Event*>(event) = {s, s->put, s->capturing};
  return CudaStatus::ok;
}

CudaStatus wait(CudaStream stream, CudaEvent event) {
  const Lock lock(mutex);
  const Event e = *static_cast<Event*>(event);
  if (!e.stream) return CudaStatus::ok;
  auto* s = static_cast<Stream*>(stream);
  if (s && s->capturing && !e.captured) {
    s->spoilt = true;
    return fail_with(CudaStatus::failed, "a capture may not depend on work that is not captured");
  }
  if (e.captured) return CudaStatus::ok;  // of the same stream: nothing to wait for
  enqueue(stream, [e] {
    if (streams.count(e.stream)) drain(*e.stream, e.position);
  });
  return CudaStatus::ok;
}

CudaStatus synchronise_event(CudaEvent event) {
  const Lock lock(mutex);
  const Event e = *static_cast<Event*>(event);
  if (e.captured) return fail_with(CudaStatus::failed, "an event that was captured cannot be waited for");
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
  s->captured_by = std::this_thread::get_id();
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

const void* kernels(const char* op) { return strcmp(op, "faults") ? cuda::kernels_of(op) : &faults_cuda; }

const CudaPlugin plugin = {
    kCudaAbi,      describe,       [] { return error.c_str(); },
    [] { return CudaStatus::ok; },
    allocate,      allocate_host,  allocate_host,
    release,       copy,           fill,
    create_stream, destroy_stream, synchronise,
    create_event,  destroy_event,  record,
    wait,          synchronise_event, elapsed,
    begin_capture, end_capture,    launch_graph,
    destroy_graph, cuda::clip,     kernels,
};

}  // namespace

void note_fault(const std::string& what) { fault_text = what; }

void enqueue(CudaStream stream, Work work) {
  const Lock lock(mutex);
  auto* s = static_cast<Stream*>(stream);
  if (s) return put(*s, std::move(work));
  const Working now;
  work();
}

}  // namespace dlrm::emulator

extern "C" __attribute__((visibility("default"))) const dlrm::CudaPlugin* dlrm_cuda_plugin() { return &dlrm::emulator::plugin; }
