// Owned, zero-filled memory that grows, never shrinks. Of the host: 64-byte aligned, from a megabyte on aligned to 2 MB and in
// huge pages where the system has them. Of a CUDA device: device memory, host memory that its copies reach at full speed
// (pinned), or memory that both may touch (managed).
#pragma once
#include <cstddef>
#include <cstdint>

namespace dlrm {

struct CudaPlugin;

enum class MemoryKind : uint8_t { host, device, pinned, managed };

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(MemoryKind kind) : kind_(kind) {}
  explicit Buffer(size_t bytes, MemoryKind kind = MemoryKind::host) : kind_(kind) { reserve(bytes); }
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `bytes`; old contents are lost when it has to grow. Throws ERR_MEMORY, and without a device ERR_DEVICE.
  // What grows must be read by no kernel any more.
  void reserve(size_t bytes);
  size_t size() const { return size_; }
  MemoryKind kind() const { return kind_; }
  char* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void release();

  char* data_ = nullptr;
  size_t size_ = 0;
  MemoryKind kind_ = MemoryKind::host;
  const CudaPlugin* plugin_ = nullptr;  // what gave it, unless the host did
};

constexpr size_t kAlign = 64;
constexpr size_t align_up(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// Deals out one block of memory; without a block it only measures.
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  T* take(int64_t n) {
    T* p = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += align_up(static_cast<size_t>(n) * sizeof(T));
    return p;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

}  // namespace dlrm
