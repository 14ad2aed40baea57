// The plugin that is loaded, on a GPU or emulated: what device.cuh declares, streams and graphs, and the emulator's own findings.
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "base/bf16.h"
#include "base/device.h"
#include "base/half.h"
#include "base/memory.h"
#include "cuda/checks.h"
#include "exec/op_runner.h"
#include "test/cuda_emulator/faults.h"
#include "test/plugin_or_skip.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

class Stream {
 public:
  Stream() { cuda_check(plugin_or_skip().create_stream(&stream_), "stream"); }
  ~Stream() { plugin_or_skip().destroy_stream(stream_); }
  operator CudaStream() const { return stream_; }
  void synchronise() const { cuda_check(plugin_or_skip().synchronise(stream_), "synchronise"); }

 private:
  CudaStream stream_ = nullptr;
};

// Device memory, read and written by copies.
template <class T>
class Array {
 public:
  Array(const Stream& stream, const std::vector<T>& values) : stream_(stream), n_(values.size()) {
    cuda_check(plugin_or_skip().allocate(&data_, n_ * sizeof(T)), "allocate");
    cuda_check(plugin_or_skip().copy(data_, values.data(), n_ * sizeof(T), stream), "copy");
    stream.synchronise();
  }
  ~Array() { plugin_or_skip().release(data_); }
  Array(const Array&) = delete;
  T* data() const { return static_cast<T*>(data_); }
  std::vector<T> read() const {
    std::vector<T> values(n_);
    cuda_check(plugin_or_skip().launched(), "launch");
    cuda_check(plugin_or_skip().copy(values.data(), data_, n_ * sizeof(T), stream_), "copy");
    stream_.synchronise();
    return values;
  }

 private:
  const Stream& stream_;
  size_t n_;
  void* data_ = nullptr;
};

template <class T>
const T& table(const char* name) {
  const void* found = plugin_or_skip().kernels(name);
  if (!found) throw Skip{std::string("this plugin has no ") + name};
  return *static_cast<const T*>(found);
}
const CudaChecks& checks() { return table<CudaChecks>("checks"); }

template <class T>
void expect_equal(const std::vector<T>& got, const std::vector<T>& want) {
  expect(got.size() == want.size(), "%zu numbers", got.size());
  for (size_t i = 0; i < want.size(); ++i)
    expect(!memcmp(&got[i], &want[i], sizeof(T)), "[%zu] = %.9g, expected %.9g", i, static_cast<double>(got[i]), static_cast<double>(want[i]));
}

// Whole numbers, so that every sum is exact.
float whole(size_t i, int seed) { return static_cast<float>(static_cast<int>(i * 37 + static_cast<size_t>(seed) * 101) % 23 - 11); }

template <class T, class F>
std::vector<T> filled(size_t n, F&& f) {
  std::vector<T> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = static_cast<T>(f(i));
  return values;
}

// d + a b for a [16][K], b [K][8] of whole numbers.
std::vector<float> product(size_t k_size) {
  auto d = filled<float>(128, [](size_t i) { return whole(i, 3); });
  for (size_t i = 0; i < 16; ++i)
    for (size_t j = 0; j < 8; ++j)
      for (size_t k = 0; k < k_size; ++k) d[i * 8 + j] += whole(i * k_size + k, 1) * whole(k * 8 + j, 2);
  return d;
}

TEST(cuda_mma_bf16) {
  const Stream stream;
  const Array<uint16_t> a(stream, filled<uint16_t>(256, [](size_t i) { return to_bf16(whole(i, 1)); }));
  const Array<uint16_t> b(stream, filled<uint16_t>(128, [](size_t i) { return to_bf16(whole(i, 2)); }));
  const Array<float> d(stream, filled<float>(128, [](size_t i) { return whole(i, 3); }));
  checks().mma_bf16(a.data(), b.data(), d.data(), stream);
  expect_equal(d.read(), product(16));
}

TEST(cuda_mma_tf32) {
  const Stream stream;
  const Array<float> a(stream, filled<float>(128, [](size_t i) { return whole(i, 1); }));
  const Array<float> b(stream, filled<float>(64, [](size_t i) { return whole(i, 2); }));
  const Array<float> d(stream, filled<float>(128, [](size_t i) { return whole(i, 3); }));
  checks().mma_tf32(a.data(), b.data(), d.data(), stream);
  expect_equal(d.read(), product(8));
}

TEST(cuda_copies_in_stages) {
  const Stream stream;
  for (const size_t n : {1, 4, 127, 128, 129, 384, 1000}) {
    const size_t padded = (n + 3) / 4 * 4;
    const Array<float> from(stream, filled<float>(n, [](size_t i) { return whole(i, 4) + 20; }));
    const Array<float> to(stream, std::vector<float>(padded, -1.0f));
    checks().stages(from.data(), to.data(), static_cast<int64_t>(n), stream);
    auto want = from.read();
    want.resize(padded, 0);
    expect_equal(to.read(), want);
  }
}

TEST(cuda_rounding) {
  const Stream stream;
  std::vector<float> x = {0, -0.0f, 1, -1, 0x1p-149f, 0x1.fffffep127f, INFINITY, -INFINITY, 0x1.01p0f, 0x1.03p0f, 0x1.02p0f, 0x1.001p0f, 0x1.003p0f};
  for (size_t i = 0; i < 1000; ++i) x.push_back(float_of(static_cast<uint32_t>(i * 2654435761u) & 0xbfffffffu));
  const Array<float> from(stream, x);
  const Array<uint16_t> bf16(stream, std::vector<uint16_t>(x.size()));
  const Array<uint32_t> tf32(stream, std::vector<uint32_t>(x.size()));
  checks().round(from.data(), bf16.data(), tf32.data(), static_cast<int64_t>(x.size()), stream);
  expect_equal(bf16.read(), filled<uint16_t>(x.size(), [&](size_t i) { return to_bf16(x[i]); }));
  const std::vector<uint32_t> got = tf32.read();
  for (size_t i = 0; i < x.size(); ++i) {
    const double value = float_of(got[i] & 0xffffe000), error = std::fabs(value - static_cast<double>(x[i]));
    expect(std::isinf(x[i]) || error <= std::fabs(static_cast<double>(x[i])) * 0x1p-11 || std::fabs(x[i]) < 0x1p-126f || std::isinf(value),
           "tf32 of %.9g is %.9g", static_cast<double>(x[i]), value);
  }
}

TEST(cuda_functions_of_a_warp) {
  const Stream stream;
  const Array<uint32_t> out(stream, std::vector<uint32_t>(32 * kCheckWords));
  checks().warp(out.data(), stream);
  std::vector<uint32_t> want;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const auto square = [](uint32_t l) { return l * l; };
    const uint32_t x = square(lane);
    uint32_t thirds = 0, alike = 0, all = 0;
    for (uint32_t l = 0; l < 32; ++l) {
      thirds |= static_cast<uint32_t>(l % 3 == 0) << l;
      alike |= static_cast<uint32_t>(l % 5 == lane % 5) << l;
      all += square(l);
    }
    want.insert(want.end(), {25, square(lane / 8 * 8 + (lane + 3) % 8), square(lane ^ 17), square(lane + 9 < 32 ? lane + 9 : lane),
                             square(lane >= 9 ? lane - 9 : lane), square(lane ^ 3), thirds, lane < 16 ? 2u : 1u, all, alike,
                             static_cast<uint32_t>(__builtin_popcount(x) + 100 * __builtin_ffs(static_cast<int>(x)) +
                                                   10000 * (x ? __builtin_clz(x) : 32)),
                             15});
  }
  expect_equal(out.read(), want);
}

TEST(cuda_sum_of_a_block) {
  const Stream stream;
  const Array<double> out(stream, {0});
  checks().block(out.data(), stream);
  expect_equal(out.read(), {255.0 * 128});
}

// A recorded step takes what its memory holds at each launch.
TEST(cuda_graphs) {
  const Stream stream;
  const Array<float> from(stream, std::vector<float>(128, 1.0f)), to(stream, std::vector<float>(128, 0.0f));
  CudaGraph graph = nullptr;
  cuda_check(plugin_or_skip().begin_capture(stream), "begin");
  checks().stages(from.data(), to.data(), 128, stream);
  cuda_check(plugin_or_skip().launched(), "launch");
  cuda_check(plugin_or_skip().end_capture(stream, &graph), "end");
  expect_equal(to.read(), std::vector<float>(128, 0.0f));
  for (const float value : {2.0f, 3.0f}) {
    const std::vector<float> values(128, value);
    cuda_check(plugin_or_skip().copy(from.data(), values.data(), 512, stream), "copy");
    cuda_check(plugin_or_skip().launch_graph(graph, stream), "launch");
    expect_equal(to.read(), values);
  }
  cuda_check(plugin_or_skip().destroy_graph(graph), "destroy");
}

TEST(cuda_capture_forbids_allocation) {
  emulated_plugin_or_skip();
  const Stream stream;
  CudaGraph graph = nullptr;
  void* memory = nullptr;
  cuda_check(plugin_or_skip().begin_capture(stream), "begin");
  expect(plugin_or_skip().allocate(&memory, 8) == CudaStatus::failed, "allocated while recording");
  expect_error(Code::device, "capture", [&] { cuda_check(plugin_or_skip().end_capture(stream, &graph), "end"); });
}

TEST(cuda_capture_forbids_waiting_for_other_work) {
  const Stream stream, other;
  CudaEvent event = nullptr;
  CudaGraph graph = nullptr;
  cuda_check(plugin_or_skip().create_event(&event, false), "event");
  cuda_check(plugin_or_skip().record(event, other), "record");
  cuda_check(plugin_or_skip().begin_capture(stream), "begin");
  expect(plugin_or_skip().wait(stream, event) == CudaStatus::failed, "waited for what is not captured");
  expect(plugin_or_skip().end_capture(stream, &graph) == CudaStatus::failed, "the capture is not spoilt");
  cuda_check(plugin_or_skip().synchronise(stream), "the stream is usable again");
  cuda_check(plugin_or_skip().destroy_event(event), "destroy");
}

// What a second model does while the compute thread records a step of the first.
TEST(cuda_capture_beside_another_thread) {
  const Stream stream;
  const Array<float> from(stream, std::vector<float>(128, 4.0f)), to(stream, std::vector<float>(128, 0.0f));
  CudaGraph graph = nullptr;
  cuda_check(plugin_or_skip().begin_capture(stream), "begin");
  std::string why;
  std::thread([&] {
    try {
      const Stream other;
      const float number = 5;
      Buffer memory(1 << 20, MemoryKind::device), pinned(64, MemoryKind::pinned);
      cuda_check(plugin_or_skip().copy(memory.data(), &number, sizeof number, other), "copy");
      cuda_check(plugin_or_skip().copy(pinned.data(), memory.data(), sizeof number, other), "copy");
      other.synchronise();
      if (*pinned.as<float>() != number) why = "another number";
    } catch (const Error& error) {
      why = error.what();
    }
  }).join();
  expect(why.empty(), "%s", why.c_str());
  checks().stages(from.data(), to.data(), 128, stream);
  cuda_check(plugin_or_skip().launched(), "launch");
  cuda_check(plugin_or_skip().end_capture(stream, &graph), "end");
  cuda_check(plugin_or_skip().launch_graph(graph, stream), "launch");
  expect_equal(to.read(), std::vector<float>(128, 4.0f));
  cuda_check(plugin_or_skip().destroy_graph(graph), "destroy");
}

TEST(cuda_events) {
  const Stream first, second;
  const Array<float> from(first, std::vector<float>(256, 5.0f)), to(first, std::vector<float>(256, 0.0f)), copied(second, std::vector<float>(256, 0.0f));
  CudaEvent event = nullptr;
  cuda_check(plugin_or_skip().create_event(&event, true), "event");
  checks().stages(from.data(), to.data(), 256, first);
  cuda_check(plugin_or_skip().record(event, first), "record");
  cuda_check(plugin_or_skip().wait(second, event), "wait");
  cuda_check(plugin_or_skip().copy(copied.data(), to.data(), 1024, second), "copy");
  expect_equal(copied.read(), std::vector<float>(256, 5.0f));
  cuda_check(plugin_or_skip().synchronise_event(event), "synchronise");
  cuda_check(plugin_or_skip().destroy_event(event), "destroy");
}

// Two tensors with a gradient, one without, more than a launch takes.
TEST(cuda_clipping) {
  const Stream stream;
  constexpr size_t kTensors = 70;
  std::vector<std::string> names;
  std::vector<double> sizes;
  double want = 0;
  for (size_t i = 0; i < kTensors; ++i) {
    names.push_back("t" + std::to_string(i));
    sizes.push_back(static_cast<double>(i * 97 % 1500 + 1));
  }
  MakeArgs args{nullptr, "dense", {{"names", names}, {"sizes", sizes}, {"rule", std::string("sgd")}}, {}, Isa::scalar, Device::cuda};
  const auto op = make_op("dense_update", args);
  std::vector<std::unique_ptr<Array<float>>> arrays;
  std::vector<View> params, gradients;
  for (size_t i = 0; i < kTensors; ++i) {
    const auto n = static_cast<size_t>(sizes[i]);
    const auto g = filled<float>(n, [&](size_t k) { return whole(k, static_cast<int>(i)); });
    for (size_t k = 0; i != 5 && k < n; ++k) want += static_cast<double>(g[k]) * g[k];
    for (const auto& values : {std::vector<float>(n, 1.0f), g}) {
      arrays.push_back(std::make_unique<Array<float>>(stream, values));
      const auto cols = static_cast<int64_t>(n);
      (arrays.size() % 2 ? params : gradients).push_back({arrays.back()->data(), DType::f32, 1, cols, cols});
    }
  }
  gradients[5] = {};
  const Array<double> squares(stream, {0});
  const Array<float> scale(stream, {0});
  Run run;
  run.params = params.data();
  run.dparams = gradients.data();
  run.stream = stream;
  run.step = 1;
  run.lr = 1;
  run.squares = squares.data();
  const Array<char> scratch(stream, std::vector<char>(op->scratch_bytes(run)));
  run.scratch = scratch.data();
  op->forward(run);
  expect_equal(squares.read(), {want});
  op->forward(run);
  expect_equal(squares.read(), {2 * want});  // added
  const double norm = std::sqrt(2 * want);
  plugin_or_skip().clip(scale.data(), squares.data(), 10 * norm, stream);
  expect_equal(scale.read(), {1});
  plugin_or_skip().clip(scale.data(), squares.data(), norm / 4, stream);
  expect(std::fabs(scale.read()[0] - 0.25f) < 1e-6f, "scale %g", static_cast<double>(scale.read()[0]));
  std::vector<char> constants(op->constants_bytes);
  op->write_constants(run, constants.data());
  const Array<char> on_device(stream, constants);
  run.constants = on_device.data();
  run.squares = nullptr;
  run.scale_at = scale.data();
  op->forward(run);
  const float factor = scale.read()[0];
  for (const size_t i : {0, 5, 68}) {
    const std::vector<float> w = arrays[2 * i]->read();
    for (size_t k = 0; k < w.size(); ++k) {
      const float expected = i == 5 ? 1 : 1 - factor * whole(k, static_cast<int>(i));
      expect(std::fabs(w[k] - expected) < 1e-5f, "tensor %zu [%zu] = %g, expected %g", i, k, static_cast<double>(w[k]), static_cast<double>(expected));
    }
  }
}

const CudaFaults& faults() { return table<CudaFaults>("faults"); }

void expect_fault(const char* text, const std::function<void(CudaStream)>& launch) {
  const Stream stream;
  expect_error(Code::device, text, [&] {
    launch(stream);
    stream.synchronise();
  });
  stream.synchronise();  // told once
}

TEST(emulator_reports_faults) {
  const CudaFaults& f = faults();
  expect_fault("1 of 64 threads have left, thread 0 waits at __syncthreads", f.leaves_before_barrier);
  expect_fault("waits at a function of its warp", f.lane_missing);
  expect_fault("a block must have 32", f.odd_block);
  expect_fault("163 KB", f.too_much_shared);
  const Stream stream;
  const Array<float> from(stream, std::vector<float>(16));
  expect_fault("misaligned", [&](CudaStream s) { f.misaligned_fetch(from.data(), s); });
}

TEST(emulator_shows_missing_barriers) {
  const CudaFaults& f = faults();
  const Stream stream;
  for (const bool in_warp : {false, true})
    for (const bool barrier : {false, true}) {
      const Array<int32_t> out(stream, std::vector<int32_t>(256));
      f.exchange(out.data(), barrier, in_warp, stream);
      size_t wrong = 0;
      const std::vector<int32_t> got = out.read();
      for (int i = 0; i < 256; ++i) wrong += got[static_cast<size_t>(i)] != (in_warp ? i ^ 31 : 255 - i);
      expect(barrier ? wrong == 0 : wrong >= 32, "%zu wrong", wrong);
    }
}

TEST(emulator_shows_unwritten_numbers) {
  const Stream stream;
  const Array<float> from(stream, std::vector<float>(16, 1.0f)), out(stream, {0});
  faults().early_read(from.data(), out.data(), stream);
  expect(std::isnan(out.read()[0]), "a cp_async is done before it is waited for");
  faults().unwritten(out.data(), stream);
  expect(std::isnan(out.read()[0]), "shared memory is not poisoned");
}

}  // namespace
}  // namespace dlrm::test
