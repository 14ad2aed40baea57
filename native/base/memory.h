// Owned, 64-byte aligned, zero-filled memory, from a megabyte on aligned to 2 MB and in huge pages where the system has
// them. Grows, never shrinks.
#pragma once
#include <cstddef>

namespace dlrm {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { reserve(bytes); }
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `bytes`; old contents are lost when it has to grow. Throws ERR_MEMORY.
  void reserve(size_t bytes);
  size_t size() const { return size_; }
  char* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

constexpr size_t kAlign = 64;
constexpr size_t align_up(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

}  // namespace dlrm
