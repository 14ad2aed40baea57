#include "base/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace dlrm {
namespace {

// From this size on memory comes straight from the kernel: zeroed lazily, given back at once, in huge pages if allowed.
constexpr size_t kMapFrom = 1 << 20;

char* allocate(size_t bytes) {
  if (bytes >= kMapFrom) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<char*>(p);
  }
  void* p = aligned_alloc(kAlign, align_up(bytes));
  if (p) memset(p, 0, align_up(bytes));
  return static_cast<char*>(p);
}

void release(char* p, size_t bytes) {
  if (!p) return;
  if (bytes >= kMapFrom)
    munmap(p, bytes);
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
