// One op alone, without a graph: what the kernel bindings, the benchmark and the tests call.
//   OpRunner runner("interaction_dot", args, B);
//   runner.bind(Slot::in, 0, x);             // the caller's memory; what is not bound is allocated, zero-filled
//   runner.init_params(seed);                // only for ops with parameters of their own
//   runner.prepare(pool);                    // after every change of the parameters
//   runner.forward(pool);                    // then read runner.view(Slot::out, 0)
//   runner.backward(pool);                   // reads Slot::dout; writes Slot::din, Slot::dparams, dlookup()
#pragma once
#include "base/memory.h"
#include "ops/op.h"

namespace dlrm {

enum class Slot { in, out, params, saved, dout, din, dparams };
constexpr int kSlotCount = 7;

// Where a runner's memory comes from. All of it is zero-filled and lives as long as this object.
class OpMemory {
 public:
  virtual ~OpMemory() = default;
  virtual View matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) = 0;
  virtual void* bytes(size_t bytes) = 0;  // aligned to kAlign
};

// Contiguous matrices on the heap.
class HeapMemory : public OpMemory {
 public:
  HeapMemory() = default;
  HeapMemory(const HeapMemory&) = delete;
  View matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) override;
  void* bytes(size_t bytes) override;

 private:
  std::vector<Buffer> buffers_;
};

// Contiguous matrices that GPU and CPU both reach.
class ManagedMemory : public OpMemory {
 public:
  ManagedMemory() = default;
  ManagedMemory(const ManagedMemory&) = delete;
  ~ManagedMemory() override;
  View matrix(Slot slot, int64_t rows, int64_t cols, DType dtype) override;
  void* bytes(size_t bytes) override;

 private:
  std::vector<void*> allocations_;
};

// With args.device cuda what is bound and the bags' arrays are memory that the GPU reaches; the calls return when it is done.
class OpRunner {
 public:
  // Throws Error for shapes or options the op refuses. `memory`, if given, must outlive the runner.
  OpRunner(const std::string& op, MakeArgs args, int64_t batch, OpMemory* memory = nullptr);
  ~OpRunner();
  OpRunner(const OpRunner&) = delete;

  // Uses the caller's memory, which must outlive the calls. Throws ERR_SHAPE unless rows, cols and dtype are the slot's.
  void bind(Slot slot, size_t i, const View& view);
  void bind_bags(size_t i, const Bags& bags);  // the T tables of input i, already checked; before any view(kPerLookup)
  // din: not wanted; dout: no gradient flows; dparams: not wanted.
  void omit(Slot slot, size_t i);

  // Own memory is allocated at the first call (the gradients an update op reads: only if asked for). A null view: omitted, bags, or the dense gradient of a sparse parameter.
  const View& view(Slot slot, size_t i);
  View layout(Slot slot, size_t i) const;  // its sizes and type, no data, nothing allocated
  size_t count(Slot slot) const { return views_[static_cast<int>(slot)].size(); }
  // Gradients of the per-sample weights, [sum of L], table after table; null if the op gives none for these bags.
  float* dlookup();
  const Op& op() const { return *op_; }
  int64_t batch() const { return run_.batch; }

  void init_params(uint64_t seed);
  void prepare(Pool* pool = nullptr);
  void forward(Pool* pool = nullptr);
  void backward(Pool* pool = nullptr);
  void set_training(bool training, uint64_t key = 0);  // of prepare() and both passes, of step 1 unless set_step; default true
  void set_step(double lr, int64_t step);  // of the next forward of an update op; step counts from 1
  // Update ops: the sum of squares of all gradients, for clipping; the next forward is then the call that comes again.
  double squares(Pool* pool = nullptr);
  Cost cost(bool backward);
  double device_ns() const { return device_ns_; }  // that the last pass took on a GPU

 private:
  struct Item {
    View view;
    bool ready = false;  // bound, allocated or omitted
  };
  struct Shape {
    int64_t rows, cols;
    DType dtype;
  };

  std::vector<Item>& items(Slot slot) { return views_[static_cast<int>(slot)]; }
  Shape shape(Slot slot, size_t i) const;
  bool has_memory(Slot slot, size_t i) const;
  const View* all(Slot slot);    // every view of the slot, allocating what is missing
  const View* given(Slot slot);  // the same, leaving missing ones null
  const Run& ready(Pool* pool, bool backward);
  int64_t lookups() const;
  void upload_constants();
  void start();
  void finish(const char* what);

  const Device device_;
  HeapMemory heap_;
  ManagedMemory managed_;
  OpMemory& memory_;
  std::vector<ValueSpec> inputs_;
  std::string name_;
  std::unique_ptr<Op> op_;
  std::vector<Item> views_[kSlotCount];
  std::vector<View> flat_[kSlotCount];
  std::vector<Value> values_;
  size_t scratch_size_ = 0;
  void* constants_ = nullptr;
  std::vector<char> host_constants_;
  CudaEvent events_[2] = {};  // around a pass
  double device_ns_ = 0;
  double* squares_ = nullptr;
  Run run_;
};

}  // namespace dlrm
