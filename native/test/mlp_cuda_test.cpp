// The product kernel of mlp in every tile, pass and number of parts, which the shapes of the cases do not all choose, against
// sums in float64 of the very factors.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/bf16.h"
#include "base/device.h"
#include "base/rng.h"
#include "exec/op_runner.h"
#include "ops/mlp/cuda.h"
#include "test/environment.h"
#include "test/plugin_or_skip.h"

namespace dlrm::test {
namespace {

using Product = MlpCudaProduct;

constexpr uint32_t kUnwritten = 0x7fc5a5a5;  // NaN

// Managed memory, of floats.
class Floats {
 public:
  explicit Floats(int64_t n) : n_(n) {
    void* data = nullptr;
    cuda_check(cuda_plugin().allocate_managed(&data, static_cast<size_t>(n + 4) * 4), "allocate");
    data_ = static_cast<float*>(data);
    for (int64_t i = 0; i < n + 4; ++i) memcpy(data_ + i, &kUnwritten, 4);
  }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  ~Floats() { cuda_plugin().release(data_); }
  float* data() const { return data_; }
  bool written(int64_t i) const { return memcmp(data_ + i, &kUnwritten, 4) != 0; }
  void expect_end() const {
    for (int64_t i = n_; i < n_ + 4; ++i) expect(!written(i), "wrote behind the end");
  }

 private:
  int64_t n_;
  float* data_;
};

// A packed matrix and, exactly, its numbers.
struct Factor {
  int64_t rows, cols, stride;
  bool bf16;
  Floats memory;

  Factor(int64_t r, int64_t c, bool half)
      : rows(r), cols(c), stride(mlp_packed_stride(c, half)), bf16(half), memory(r * stride / (half ? 2 : 1)) {}
  void fill(uint64_t key) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < stride; ++c) {
        const float x = c < cols ? 2 * uniform01(Philox{key}(static_cast<uint64_t>(r * stride + c)).v[0]) - 1 : 0;
        if (bf16)
          reinterpret_cast<uint16_t*>(memory.data())[r * stride + c] = to_bf16(x);
        else
          memory.data()[r * stride + c] = x;
      }
  }
  double at(int64_t r, int64_t c) const {
    const int64_t i = r * stride + c;
    return static_cast<double>(bf16 ? from_bf16(reinterpret_cast<const uint16_t*>(memory.data())[i]) : memory.data()[i]);
  }
  MlpPacked packed() const { return {memory.data(), stride}; }
};

struct Case {
  Product::Pass pass;
  bool bf16;
  MlpTile tile;
  int64_t splits, rows, cols, depth;
  bool packed;         // the result; else a view
  int64_t gap;         // between the rows of the view
};

std::string text(const Case& c) {
  const int64_t numbers[] = {c.pass, static_cast<int64_t>(c.tile), c.splits, c.rows, c.cols, c.depth, c.packed, c.gap};
  std::string all = c.bf16 ? "bf16" : "fp32";
  for (const int64_t n : numbers) all += " " + std::to_string(n);
  return all;
}

void check(const Case& c) {
  set_context(text(c));
  const bool a_deep = c.pass != Product::weight_gradient, b_deep = c.pass == Product::forward;
  Factor a(a_deep ? c.rows : c.depth, a_deep ? c.depth : c.rows, c.bf16), b(b_deep ? c.cols : c.depth, b_deep ? c.depth : c.cols, c.bf16);
  Factor gate(c.rows, c.cols, c.bf16), result(c.rows, c.cols, c.bf16);
  Floats out(c.rows * (c.cols + c.gap)), bias(c.cols), dbias(c.rows), parts(std::max<int64_t>(1, mlp_most_parts(c.bf16, c.rows, c.cols, c.depth)));
  a.fill(1);
  b.fill(2);
  gate.fill(3);
  for (int64_t i = 0; i < c.cols; ++i) bias.data()[i] = static_cast<float>(i % 7) - 3;

  Product p;
  p.pass = c.pass;
  p.bf16 = c.bf16;
  p.a = a.packed();
  p.b = b.packed();
  p.rows = c.rows;
  p.cols = c.cols;
  p.depth = c.depth;
  p.plan = mlp_plan(c.tile, c.splits, c.bf16, c.depth);
  p.parts = parts.data();
  if (c.pass == Product::forward) p.bias = bias.data();
  if (c.pass == Product::weight_gradient) p.dbias = dbias.data();
  if (c.pass == Product::input_gradient && c.packed) {
    p.gate = gate.packed();
    p.activation = Activation::tanh;
  }
  if (c.packed)
    p.packed = result.packed();
  else
    p.out = {out.data(), DType::f32, c.rows, c.cols, c.cols + c.gap};
  const auto* kernels = static_cast<const MlpCuda*>(cuda_plugin().kernels("mlp"));
  kernels->product(p, nullptr);
  cuda_check(cuda_plugin().launched(), "launch");
  cuda_check(cuda_plugin().synchronise(nullptr), "synchronise");

  const double eps = 0x1p-24 * (4 + static_cast<double>(c.depth)) + (c.bf16 ? 0 : 0x1p-21);
  for (int64_t r = 0; r < c.rows; ++r) {
    double row_sum = 0, row_magnitude = 0;
    for (int64_t d = 0; !a_deep && d < c.depth; ++d) {
      row_sum += a.at(d, r);
      row_magnitude += std::fabs(a.at(d, r));
    }
    if (p.dbias)
      expect(std::fabs(static_cast<double>(dbias.data()[r]) - row_sum) <= eps * row_magnitude, "dbias[%lld] = %.9g, expected %.9g",
             static_cast<long long>(r), static_cast<double>(dbias.data()[r]), row_sum);
    for (int64_t k = 0; k < c.cols + (c.packed ? result.stride - c.cols : c.gap); ++k) {
      const int64_t i = c.packed ? r * result.stride + k : r * (c.cols + c.gap) + k;
      if (k >= c.cols) {
        expect(c.packed ? result.at(r, k) == 0 : r + 1 == c.rows || !out.written(i), "what lies behind column %lld of row %lld",
               static_cast<long long>(k), static_cast<long long>(r));
        continue;
      }
      double sum = p.bias ? static_cast<double>(bias.data()[k]) : 0, magnitude = std::fabs(sum);
      for (int64_t d = 0; d < c.depth; ++d) {
        const double x = (a_deep ? a.at(r, d) : a.at(d, r)) * (b_deep ? b.at(k, d) : b.at(d, k));
        sum += x;
        magnitude += std::fabs(x);
      }
      if (p.gate.data) sum *= 1 - gate.at(r, k) * gate.at(r, k);
      const double got = c.packed ? result.at(r, k) : static_cast<double>(out.data()[i]);
      const double rounding = c.packed && c.bf16 ? 0x1p-8 * std::fabs(sum) : 0;
      expect(std::fabs(got - sum) <= eps * magnitude + rounding, "[%lld,%lld] = %.9g, expected %.9g", static_cast<long long>(r),
             static_cast<long long>(k), got, sum);
    }
  }
  for (const Floats* memory : {&a.memory, &b.memory, &gate.memory, &result.memory, &out, &bias, &dbias, &parts}) memory->expect_end();
}

TEST(mlp_cuda_products_in_every_tile) {
  plugin_or_skip();
  for (const bool bf16 : {false, true})
    for (const Product::Pass pass : {Product::forward, Product::input_gradient, Product::weight_gradient})
      for (const MlpTile tile : {MlpTile::t64x64, MlpTile::t128x128, MlpTile::t256x128}) {
        if (!bf16 && tile == MlpTile::t256x128) continue;
        const int64_t stage = mlp_stage_depth(bf16);
        check({pass, bf16, tile, 1, 1, 1, 1, false, 0});
        check({pass, bf16, tile, 1, 65, 30, 7 * stage + 5, false, 3});
        check({pass, bf16, tile, 3, 17, 132, 5 * stage - 1, false, 0});
        if (pass == Product::weight_gradient) continue;
        check({pass, bf16, tile, 1, 260, 130, stage + 1, true, 0});
        check({pass, bf16, tile, 2, 33, 27, 2 * stage, true, 0});
      }
}

// As on sm_86, sm_89 and sm_120.
TEST(mlp_cuda_products_with_less_shared_memory) {
  emulated_plugin_or_skip();
  const Environment shared("DLRM_CUDA_EMULATED_SHARED", std::to_string(99 << 10));
  for (const bool bf16 : {false, true})
    for (const Product::Pass pass : {Product::forward, Product::weight_gradient})
      for (const MlpTile tile : {MlpTile::t128x128, MlpTile::t256x128}) check({pass, bf16, tile, 2, 130, 65, 2 * mlp_stage_depth(bf16) + 3, false, 0});
}

TEST(mlp_cuda_products_of_few_rows) {
  plugin_or_skip();
  for (const bool bf16 : {false, true})
    for (int64_t rows = 1; rows <= kFewRows; ++rows) {
      check({Product::forward, bf16, MlpTile::few, 1, rows, 9, 1030 + rows, true, 0});
      check({Product::forward, bf16, MlpTile::few, 1, rows, 13, 5, false, 2});
    }
}

// Nothing of a factor's value is lost where the sums cancel: float32 stays float32.
TEST(mlp_cuda_float32_keeps_its_precision) {
  plugin_or_skip();
  check({Product::forward, false, MlpTile::t64x64, 1, 64, 64, 2048, false, 0});
}

// Whatever its bits are, and in whichever factor.
TEST(mlp_cuda_hands_on_nan_and_infinity) {
  plugin_or_skip();
  for (const char* precision : {"fp32", "bf16"})
    for (const uint32_t bits : {0x7fffffffu, 0xffffffffu, 0x7f800001u, 0x7fc00000u, 0x7f800000u})
      for (const bool in_weight : {false, true}) {
        MakeArgs args{nullptr, "node", {{"layers", std::vector<double>{5, 3}}, {"activation", std::string("relu")}, {"last", std::string("none")}, {"precision", std::string(precision)}}, {{kPerExample, 4}}, Isa::scalar};
        args.device = Device::cuda;
        OpRunner runner("mlp", args, 20);
        for (int64_t i = 0; i < 20; ++i) std::fill_n(runner.view(Slot::in, 0).row(i), 4, 1.0f);
        for (size_t i = 0; i < 4; ++i) std::fill_n(runner.view(Slot::params, i).f32(), runner.view(Slot::params, i).rows * runner.view(Slot::params, i).cols, 0.5f);
        memcpy(in_weight ? runner.view(Slot::params, 0).row(2) + 1 : runner.view(Slot::in, 0).row(7) + 1, &bits, 4);
        runner.prepare();
        runner.forward();
        for (int64_t i = 0; i < 20; ++i)
          expect(std::isfinite(runner.view(Slot::out, 0).row(i)[2]) == !(in_weight || i == 7), "%s, %08x in %s: y of row %lld is %g", precision, bits,
                 in_weight ? "W" : "x", static_cast<long long>(i), static_cast<double>(runner.view(Slot::out, 0).row(i)[2]));
      }
}

TEST(mlp_cuda_plans) {
  for (const bool bf16 : {false, true})
    for (const auto pass : {Product::forward, Product::input_gradient, Product::weight_gradient})
      for (const int64_t rows : {1, 9, 100, 1024, 65536})
        for (const int64_t cols : {1, 64, 1000, 4096})
          for (const int64_t depth : {0, 1, 13, 1024, 65536}) {
            const MlpPlan plan = mlp_plan(pass, bf16, rows, cols, depth);
            expect(plan.splits >= 1 && plan.split_depth % mlp_stage_depth(bf16) == 0, "a plan of %d parts", plan.splits);
            expect(plan.split_depth * plan.splits >= depth && plan.split_depth * (plan.splits - 1) < std::max<int64_t>(1, depth), "its parts are the depth");
            expect(bf16 || plan.tile != MlpTile::t256x128, "a tile of this type");
            expect(mlp_parts_floats(plan, rows, cols) <= mlp_most_parts(bf16, rows, cols, depth), "its parts have room");
          }
  // A layer of 1024 x 1024: whole tiles, and all multiprocessors at work on its gradient.
  expect(mlp_plan(Product::forward, true, 16384, 1024, 1024).tile == MlpTile::t256x128, "large tiles for a large product");
  expect(mlp_plan(Product::weight_gradient, true, 1024, 1024, 16384).splits > 1, "a deep product in parts");
  expect(mlp_plan(Product::forward, true, 1, 1024, 1024).tile == MlpTile::few, "a row at a time");
}

}  // namespace
}  // namespace dlrm::test
