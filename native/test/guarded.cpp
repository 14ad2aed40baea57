#include "test/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "test/test.h"

namespace dlrm::test {
namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr int64_t kRowGap = 5;  // odd, so that rows are unaligned in turn

}  // namespace

GuardedMemory::~GuardedMemory() {
  for (const Block& block : blocks_) munmap(block.map, block.map_bytes);
}

char* GuardedMemory::place(int64_t rows, int64_t cols, int64_t stride, size_t align) {
  const size_t size = rows > 0 ? 4 * static_cast<size_t>((rows - 1) * stride + cols) : 0;
  const size_t used = (size + align - 1) / align * align, inner = (used + kPage - 1) / kPage * kPage + kPage;
  char* map = static_cast<char*>(
      mmap(nullptr, inner + 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  expect(map != MAP_FAILED, "mmap failed");
  char* begin = map + kPage;
  std::fill_n(reinterpret_cast<uint32_t*>(begin), inner / 4, kSentinel);
  mprotect(map, kPage, PROT_NONE);
  mprotect(begin + inner, kPage, PROT_NONE);
  char* data = edge_ == Edge::front ? begin : begin + inner - used;
  blocks_.push_back({map, inner + 2 * kPage, data, rows, cols, stride});
  return data;
}

View GuardedMemory::matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) {
  const bool internal = slot == Slot::params || slot == Slot::dparams || slot == Slot::saved;
  const int64_t stride = strided_ && !internal ? cols + kRowGap : cols;
  return {place(rows, cols, stride, 4), dtype, rows, cols, stride};
}

void* GuardedMemory::bytes(size_t bytes) {
  const int64_t words = static_cast<int64_t>((bytes + 3) / 4);
  return place(1, words, words, kAlign);
}

void GuardedMemory::expect_intact() const {
  for (const Block& block : blocks_) {
    const auto* word = reinterpret_cast<const uint32_t*>(block.map + kPage);
    const auto* end = reinterpret_cast<const uint32_t*>(block.map + block.map_bytes - kPage);
    const auto* data = reinterpret_cast<const uint32_t*>(block.data);
    for (; word < end; ++word) {
      const int64_t at = word - data;
      if (at >= 0 && block.stride && at / block.stride < block.rows && at % block.stride < block.cols) continue;
      expect(*word == kSentinel, "wrote outside a buffer of %lld x %lld (stride %lld), at element %lld",
             static_cast<long long>(block.rows), static_cast<long long>(block.cols), static_cast<long long>(block.stride),
             static_cast<long long>(at));
    }
  }
}

}  // namespace dlrm::test
