// One call of one op on the inputs of a case, in guarded memory. The numbers depend on the case and B alone, so that
// two fixtures of the same case differ in nothing but what the test varies.
#pragma once
#include "test/guarded.h"
#include "test/op_case.h"

namespace dlrm::test {

ValueSpec value_spec(const Input& input);
Attrs to_attrs(const AttrMap& map);

// Named results of a call, copied; numbers of tables of other types as floats.
struct Result {
  std::string name;
  DType dtype;
  std::vector<uint32_t> words;
  float f32(size_t i) const;
};

// Kernels of an instruction set, or those of the device.
struct Variant {
  Variant(Isa isa) : isa(isa) {}
  Variant(Device device) : device(device) {}
  Isa isa = Isa::scalar;
  Device device = Device::cpu;
  const char* name() const { return device == Device::cuda ? "cuda" : isa_name(isa); }
};

// Those that this machine has for the case, scalar first. The device's is one of them where the op has CUDA kernels that do not
// refuse the case, and a plugin is loaded: main() names the emulated one beside the test.
std::vector<Variant> variants_of(const OpCase& c);
bool on_device(const OpCase& c);

class OpFixture {
 public:
  OpFixture(const OpCase& c, int64_t batch, const Variant& variant, Edge edge = Edge::back, bool strided = false);

  // Forward, then backward if there is one; `omitted` >= 0: without the gradient of that input. Between the two,
  // whatever the op says backward does not read is overwritten with NaN. Update ops: all steps of the case.
  void call(Pool* pool, int omitted = -1);
  void forward(Pool* pool = nullptr);

  // Outputs, buffers, gradients of inputs, parameters and per-sample weights; of update ops the parameters and states.
  std::vector<Result> results();
  // Throws Failure if memory around the buffers, or inside one that is only to be read, has changed.
  void expect_intact();

  OpRunner& runner() { return runner_; }
  const Bags* bags() const { return bags_.tables ? &bags_ : nullptr; }
  float* lookup_weights(int64_t table) { return weights_[static_cast<size_t>(table)]; }

 private:
  void prune();
  void predict(Pool* pool);
  void fill_plain_parameters();
  void fill_bags(const Input& input, size_t at);
  void fill_positions(const Input& input, const View& view);
  void fill_matrix(const Input& input, const View& view);
  uint32_t random();
  float uniform(float lo, float hi);
  int32_t* integers(int64_t n);
  static Result copy(const char* what, size_t i, const View& view);
  static void add(std::vector<Result>& results, const char* what, size_t i, const View& view);
  std::vector<Result> read_only();
  std::vector<std::pair<View, Result>> poison(Slot slot);

  const OpCase& case_;
  GuardedMemory memory_;
  OpRunner runner_;
  uint64_t drawn_ = 0;

  Bags bags_;
  std::vector<int32_t*> offsets_, indices_;
  std::vector<float*> weights_;
  std::vector<int64_t> counts_;
  std::vector<Result> given_, predicted_;
  std::vector<float> squares_;
};

}  // namespace dlrm::test
