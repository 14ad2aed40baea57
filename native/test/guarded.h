// Memory that shows every access outside a buffer: inaccessible pages right before or right behind it, and a pattern,
// a NaN as a float, in all bytes around it and between its rows. Under AddressSanitizer all of these bytes are inaccessible.
#pragma once
#include <vector>

#include "exec/op_runner.h"

namespace dlrm::test {

constexpr uint32_t kSentinel = 0xFFC0DE57;

enum class Edge { front, back };  // the side on which the buffer touches an inaccessible page

class GuardedMemory : public OpMemory {
 public:
  // `strided`: inputs, outputs and their gradients get rows further apart than they are long.
  // `managed`: memory that a GPU reaches; what lies around a buffer is only compared, not inaccessible.
  GuardedMemory(Edge edge, bool strided, bool managed = false) : edge_(edge), strided_(strided), managed_(managed) {}
  ~GuardedMemory() override;
  GuardedMemory(const GuardedMemory&) = delete;

  // Both come filled with the sentinel: kernels may not rely on zeros.
  View matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) override;
  void* bytes(size_t bytes) override;

  // Throws Failure if anything but the buffers' own elements has changed.
  void expect_intact() const;

 private:
  struct Block {
    char* map;
    size_t map_bytes;
    char* data;
    int64_t rows, cols, stride;  // in bytes
  };
  void hide(const Block& block) const;
  void expose(const Block& block) const;
  char* place(int64_t rows, int64_t cols, int64_t stride, size_t align);  // in bytes

  Edge edge_;
  bool strided_, managed_;
  std::vector<Block> blocks_;
};

}  // namespace dlrm::test
