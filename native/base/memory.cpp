#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

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

void release(char* p, size_t bytes) {
  if (!p) return;
  if (bytes >= kMapFrom)
    munmap(p, mapped_bytes(bytes));
  else
    free(p);
}

}  // namespace

Buffer::~Buffer() { release(data_, size_); }

Buffer::Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void Buffer::reserve(size_t bytes) {
  if (bytes <= size_) return;
  release(data_, size_);
  data_ = nullptr;
  size_ = 0;
  data_ = allocate(bytes);
  if (!data_) fail(Code::memory, "out of memory: %.1f MB could not be allocated", static_cast<double>(bytes) / 1e6);
  size_ = bytes;
}

}  // namespace dlrm
