#include "test/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/table_rows.h"
#include "test/sanitizer.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr int64_t kRowGap = 5;  // odd, so that rows are unaligned in turn

}  // namespace

GuardedMemory::~GuardedMemory() {
  for (const Block& block : blocks_) {
    expose(block);
    if (managed_)
      cuda_plugin().release(block.map);
    else
      munmap(block.map, block.map_bytes);
  }
}

char* GuardedMemory::place(int64_t rows, int64_t cols, int64_t stride, size_t align) {
  const size_t size = rows > 0 ? static_cast<size_t>((rows - 1) * stride + cols) : 0;
  const size_t used = (size + align - 1) / align * align, inner = (used + kPage - 1) / kPage * kPage + kPage;
  void* mapped = nullptr;
  if (managed_)
    cuda_check(cuda_plugin().allocate_managed(&mapped, inner + 2 * kPage), "memory of a test");
  else
    mapped = mmap(nullptr, inner + 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect(mapped != MAP_FAILED, "mmap failed");
  char *map = static_cast<char*>(mapped), *begin = map + kPage;
  std::fill_n(reinterpret_cast<uint32_t*>(begin), inner / 4, kSentinel);
  if (!managed_) {
    mprotect(map, kPage, PROT_NONE);
    mprotect(begin + inner, kPage, PROT_NONE);
  }
  char* data = edge_ == Edge::front ? begin : begin + inner - used;
  blocks_.push_back({map, inner + 2 * kPage, data, rows, cols, stride});
  hide(blocks_.back());
  return data;
}

void GuardedMemory::hide(const Block& block) const {
  if (!kAddressSanitizer) return;
  forbid(block.map, block.map_bytes);
  for (int64_t r = 0; r < block.rows; ++r) allow(block.data + r * block.stride, static_cast<size_t>(block.cols));
}

void GuardedMemory::expose(const Block& block) const { allow(block.map, block.map_bytes); }

View GuardedMemory::matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) {
  const bool internal = slot == Slot::params || slot == Slot::dparams || slot == Slot::saved;
  const int64_t elements = row_elements(dtype, cols), stride = strided_ && !internal ? elements + kRowGap : elements;
  const int64_t bytes = dtype_bytes(dtype);
  return {place(rows, elements * bytes, stride * bytes, static_cast<size_t>(bytes)), dtype, rows, cols, stride};
}

void* GuardedMemory::bytes(size_t bytes) {
  const int64_t words = static_cast<int64_t>((bytes + 3) / 4);
  return place(1, 4 * words, 4 * words, kAlign);
}

void GuardedMemory::expect_intact() const {
  for (const Block& block : blocks_) {
    expose(block);
    const char *begin = block.map + kPage, *end = block.map + block.map_bytes - kPage;
    const auto* sentinel = reinterpret_cast<const char*>(&kSentinel);
    const int64_t step = (block.cols | block.stride) % 4 ? 1 : 4;
    for (const char* p = begin; p < end; p += step) {
      const int64_t at = p - block.data;
      if (at >= 0 && block.stride && at / block.stride < block.rows && at % block.stride < block.cols) continue;
      expect(!memcmp(p, sentinel + (step == 1 ? (p - begin) % 4 : 0), static_cast<size_t>(step)),
             "wrote outside a buffer of %lld x %lld bytes (stride %lld), at byte %lld", static_cast<long long>(block.rows),
             static_cast<long long>(block.cols), static_cast<long long>(block.stride), static_cast<long long>(at));
    }
    hide(block);
  }
}

}  // namespace dlrm::test
