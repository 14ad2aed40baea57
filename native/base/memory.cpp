#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/device.h"
#include "base/error.h"

namespace dlrm {
namespace {

// From this size on memory comes straight from the kernel: zeroed lazily, given back at once, in huge pages if allowed.
constexpr size_t kMapFrom = 1 << 20;
constexpr size_t kHugePage = 2 << 20;

// Whole huge pages where that takes at most a quarter more; else the end lies in small ones.
size_t mapped_bytes(size_t bytes) {
  const size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  return whole - bytes <= bytes / 4 ? whole : bytes;
}

// Begins at a huge page, which mmap alone does not: a page more is asked for, and what lies before and behind given back.
char* map(size_t bytes) {
  const size_t asked = mapped_bytes(bytes) + kHugePage;
  void* p = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  char* const first = static_cast<char*>(p);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(p) % kHugePage) % kHugePage;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t end = before + (mapped_bytes(bytes) + page - 1) / page * page;
  if (before) munmap(first, before);
  if (end < asked) munmap(first + end, asked - end);
#ifdef MADV_HUGEPAGE
  madvise(first + before, end - before, MADV_HUGEPAGE);
#endif
  return first + before;
}

char* allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;  // no overflow in what follows
  if (bytes >= kMapFrom) return map(bytes);
  void* p = aligned_alloc(kAlign, align_up(bytes));
  if (p) memset(p, 0, align_up(bytes));
  return static_cast<char*>(p);
}

void free_host(char* p, size_t bytes) {
  if (!p) return;
  if (bytes >= kMapFrom)
    munmap(p, mapped_bytes(bytes));
  else
    free(p);
}

char* allocate_for(const CudaPlugin& plugin, MemoryKind kind, size_t bytes) {
  void* p = nullptr;
  cuda_check(kind == MemoryKind::device   ? plugin.allocate(&p, bytes)
             : kind == MemoryKind::pinned ? plugin.allocate_pinned(&p, bytes)
                                          : plugin.allocate_managed(&p, bytes),
             "memory");
  CudaStatus status = CudaStatus::ok;
  if (kind != MemoryKind::device)
    memset(p, 0, bytes);
  else if ((status = plugin.fill(p, 0, bytes, nullptr)) == CudaStatus::ok)
    status = plugin.synchronise(nullptr);
  if (status != CudaStatus::ok) plugin.release(p);
  cuda_check(status, "memory");
  return static_cast<char*>(p);
}

}  // namespace

Buffer::~Buffer() { release(); }

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(kind_, other.kind_);
  std::swap(plugin_, other.plugin_);
  return *this;
}

void Buffer::release() {
  if (plugin_)
    plugin_->release(data_);
  else
    free_host(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

void Buffer::reserve(size_t bytes) {
  if (bytes <= size_) return;
  release();
  if (kind_ == MemoryKind::host) {
    data_ = allocate(bytes);
    if (!data_) fail(Code::memory, "out of memory: %.1f MB could not be allocated", static_cast<double>(bytes) / 1e6);
  } else {
    plugin_ = &cuda_plugin();
    data_ = allocate_for(*plugin_, kind_, bytes);
  }
  size_ = bytes;
}

}  // namespace dlrm
