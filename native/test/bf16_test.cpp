// Precision bf16 against its definition in float64: every factor rounded, every sum exact. A number that the rounding errors of
// float32 could bring to either side of the middle between two bfloat16 has no right answer; then other data are drawn.
#include "base/bf16.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "exec/op_runner.h"
#include "test/op_fixture.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

constexpr double kHalfUlp = 0x1p-24;  // of 1, as float32

// To 8 significant bits, ties to even.
double rounded(double x) {
  if (x == 0) return 0;
  const int exponent = std::ilogb(x) - 7;
  return std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
}

TEST(bf16_rounds_to_nearest_even) {
  const Philox random{3};
  for (uint64_t i = 0; i < 20000; ++i) {
    uint32_t bits = random(i).v[0];
    if (i % 4 == 0) bits = (bits & 0xffff0000u) | 0x8000u;  // ties
    float x;
    memcpy(&x, &bits, sizeof x);
    if (!std::isnormal(x) || std::fabs(x) > 3e38f) continue;
    const float got = from_bf16(to_bf16(x));
    expect(got == rounded(static_cast<double>(x)), "%.9g becomes %.9g, expected %.9g", x, got, rounded(static_cast<double>(x)));
  }
  const float inf = std::numeric_limits<float>::infinity();
  expect(from_bf16(to_bf16(-inf)) == -inf && from_bf16(to_bf16(3.4e38f)) == inf, "infinity, and what rounds to it");
  uint32_t bits = 0x7f800001u;  // a NaN whose payload lies in the lower half
  float nan;
  memcpy(&nan, &bits, sizeof nan);
  expect(std::isnan(from_bf16(to_bf16(nan))), "NaN becomes %g", from_bf16(to_bf16(nan)));
}

// A matrix of numbers that float32 may have computed with this error.
struct Matrix {
  int64_t rows, cols;
  std::vector<double> values, errors;

  Matrix(int64_t r, int64_t c) : rows(r), cols(c), values(static_cast<size_t>(r * c)), errors(values.size()) {}
  explicit Matrix(const View& view) : Matrix(view.rows, view.cols) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c) at(r, c) = static_cast<double>(view.row(r)[c]);
  }
  double& at(int64_t r, int64_t c) { return values[static_cast<size_t>(r * cols + c)]; }
  double& error(int64_t r, int64_t c) { return errors[static_cast<size_t>(r * cols + c)]; }
};

struct Ambiguous {};

Matrix rounded(const Matrix& a) {
  Matrix result(a.rows, a.cols);
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double low = rounded(a.values[i] - a.errors[i]), high = rounded(a.values[i] + a.errors[i]);
    if (low != high) throw Ambiguous{};
    result.values[i] = low;
  }
  return result;
}

Matrix transposed(Matrix a) {
  Matrix result(a.cols, a.rows);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < a.cols; ++c) result.at(c, r) = a.at(r, c);
  return result;
}

// a b^T + bias; a and b are exact. n additions in float32 err by at most n half ulps of the sum of magnitudes.
Matrix product(Matrix a, Matrix b, Matrix* bias = nullptr) {
  Matrix result(a.rows, b.rows);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < b.rows; ++c) {
      double sum = bias ? bias->at(0, c) : 0, magnitude = std::fabs(sum);
      for (int64_t d = 0; d < a.cols; ++d) {
        sum += a.at(r, d) * b.at(c, d);
        magnitude += std::fabs(a.at(r, d) * b.at(c, d));
      }
      result.at(r, c) = sum;
      result.error(r, c) = kHalfUlp * static_cast<double>(a.cols + 1) * magnitude;
    }
  return result;
}

// The elementary functions: 4 ulps beside what their argument errs; their slopes are at most 1.
Matrix activated(Matrix z, const std::string& activation) {
  for (size_t i = 0; i < z.values.size(); ++i) {
    double& x = z.values[i];
    if (activation == "none") continue;
    if (activation == "relu") {
      if (std::fabs(x) <= z.errors[i]) throw Ambiguous{};
      if (x < 0) z.errors[i] = 0;
      x = std::max(0.0, x);
      continue;
    }
    x = activation == "tanh" ? std::tanh(x) : 1 / (1 + std::exp(-x));
    z.errors[i] += 8 * kHalfUlp * std::fabs(x);
  }
  return z;
}

Matrix times_slope(Matrix dy, const Matrix& y, const std::string& activation) {
  for (size_t i = 0; i < dy.values.size(); ++i) {
    const double v = y.values[i], dv = y.errors[i];
    const double slope = activation == "relu" ? v > 0 : activation == "tanh" ? 1 - v * v : activation == "sigmoid" ? v * (1 - v) : 1;
    const double wrong = activation == "none" || activation == "relu" ? 0 : 2 * dv + 4 * kHalfUlp;
    dy.errors[i] = dy.errors[i] * std::fabs(slope) + std::fabs(dy.values[i]) * wrong;
    dy.values[i] *= slope;
  }
  return dy;
}

void expect_near(Matrix want, const View& got, const std::string& what) {
  for (int64_t r = 0; r < want.rows; ++r)
    for (int64_t c = 0; c < want.cols; ++c)
      expect(std::fabs(static_cast<double>(got.row(r)[c]) - want.at(r, c)) <= want.error(r, c) + 1e-37,
             "%s[%lld,%lld] = %.9g, expected %.9g +- %.3g", what.c_str(), static_cast<long long>(r), static_cast<long long>(c),
             static_cast<double>(got.row(r)[c]), want.at(r, c), want.error(r, c));
}

void fill(const View& view, const Philox& random, uint64_t stream) {
  for (int64_t r = 0; r < view.rows; ++r)
    for (int64_t c = 0; c < view.cols; ++c)
      view.row(r)[c] = 2 * uniform01(random(static_cast<uint64_t>(r * view.cols + c), stream).v[0]) - 1;
}

struct MlpCase {
  int64_t batch, inputs;
  std::vector<double> layers;
  std::string hidden, last;
};

void check(const MlpCase& c, const Variant& variant, uint64_t key) {
  MakeArgs args{nullptr, "node", {{"layers", c.layers}, {"activation", c.hidden}, {"last", c.last}, {"precision", std::string("bf16")}},
                {{kPerExample, c.inputs}}, variant.isa, variant.device};
  OpRunner runner("mlp", args, c.batch);
  const size_t layers = c.layers.size();
  const Philox random{key};
  fill(runner.view(Slot::in, 0), random, 0);
  fill(runner.view(Slot::dout, 0), random, 1);
  for (size_t i = 0; i < 2 * layers; ++i) fill(runner.view(Slot::params, i), random, 2 + i);
  runner.prepare();
  runner.forward();
  runner.backward();

  std::vector<Matrix> x, weights;
  Matrix y(runner.view(Slot::in, 0));
  for (size_t l = 0; l < layers; ++l) {
    x.push_back(rounded(y));
    weights.push_back(rounded(Matrix(runner.view(Slot::params, 2 * l))));
    Matrix bias(runner.view(Slot::params, 2 * l + 1));
    y = activated(product(x[l], weights[l], &bias), l + 1 < layers ? c.hidden : c.last);
  }
  const std::string isa_text = std::string(" with ") + variant.name();
  expect_near(y, runner.view(Slot::out, 0), "y" + isa_text);
  Matrix dy(runner.view(Slot::dout, 0));
  for (size_t l = layers; l-- > 0;) {
    const bool top = l + 1 == layers;
    const Matrix dz = rounded(times_slope(dy, top ? y : x[l + 1], top ? c.last : c.hidden));
    const std::string name = " of layer " + std::to_string(l) + isa_text;
    Matrix ones(1, c.batch);
    for (double& one : ones.values) one = 1;
    expect_near(product(transposed(dz), transposed(x[l])), runner.view(Slot::dparams, 2 * l), "dW" + name);
    expect_near(product(ones, transposed(dz)), runner.view(Slot::dparams, 2 * l + 1), "db" + name);
    dy = product(dz, transposed(weights[l]));
  }
  expect_near(dy, runner.view(Slot::din, 0), "dx" + isa_text);
}

void check_on_all(const MlpCase& c) {
  std::vector<Variant> variants;
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) variants.push_back(static_cast<Isa>(isa));
  if (getenv("DLRM_CUDA_PLUGIN")) variants.push_back(Device::cuda);
  for (const Variant& variant : variants)
    for (uint64_t key = 1;; ++key) {
      expect(key < 500, "no data without an ambiguous number");
      try {
        check(c, variant, key);
        break;
      } catch (const Ambiguous&) {
      }
    }
}

// One layer: what it takes is rounded exactly, so any size will do.
TEST(bf16_mlp_one_layer) {
  check_on_all({70, 37, {19}, "none", "none"});
  check_on_all({600, 3, {33}, "none", "none"});
  check_on_all({530, 35, {33}, "none", "none"});
  check_on_all({5, 300, {70}, "none", "relu"});
}

TEST(bf16_mlp_rounds_between_layers) {
  check_on_all({2, 9, {11, 5, 2}, "relu", "none"});
  check_on_all({3, 7, {9, 3}, "tanh", "sigmoid"});
  check_on_all({3, 7, {9, 3}, "sigmoid", "tanh"});
}

// z_i z_j of rounded vectors; gradients dP_ij z_j of rounded dP. x passes through both as it is.
void check_interaction(bool dense, bool itself, Isa isa) {
  constexpr int64_t kBatch = 37, kWidth = 11, kTables = 6;
  MakeArgs args{nullptr, "node", {{"width", static_cast<double>(kWidth)}, {"itself", itself}, {"precision", std::string("bf16")}},
                {}, isa};
  if (dense) args.inputs.push_back({kPerExample, kWidth});
  args.inputs.push_back({kPerExample, kTables * kWidth});
  OpRunner runner("interaction_dot", args, kBatch);
  for (size_t i = 0; i < args.inputs.size(); ++i) fill(runner.view(Slot::in, i), Philox{1}, i);
  fill(runner.view(Slot::dout, 0), Philox{1}, 2);
  runner.forward();
  runner.backward();
  const int64_t vectors = kTables + dense;
  for (int64_t b = 0; b < kBatch; ++b) {
    const auto of = [&](Slot slot, int64_t v) {  // vector v, of the inputs or of their gradients
      View view = runner.view(slot, dense && v ? 1 : 0);
      return View{view.row(b) + (dense && v ? v - 1 : v) * kWidth, DType::f32, 1, kWidth, kWidth};
    };
    Matrix z(vectors, kWidth), dz(vectors, kWidth), pairs(vectors, vectors);
    for (int64_t v = 0; v < vectors; ++v)
      for (int64_t k = 0; k < kWidth; ++k) z.at(v, k) = rounded(static_cast<double>(of(Slot::in, v).f32()[k]));
    Matrix products = product(z, z);
    const float *out = runner.view(Slot::out, 0).row(b), *dout = runner.view(Slot::dout, 0).row(b);
    for (int64_t k = 0; dense && k < kWidth; ++k) expect(*out++ == of(Slot::in, 0).f32()[k], "x is copied");
    const float* dpairs = dout + (dense ? kWidth : 0);
    for (int64_t i = 0; i < vectors; ++i)
      for (int64_t j = 0; j < i + itself; ++j, ++out) {
        expect(std::fabs(static_cast<double>(*out) - products.at(i, j)) <= products.error(i, j), "%s: pair %lld, %lld is %.9g, expected %.9g",
               isa_name(isa), static_cast<long long>(i), static_cast<long long>(j), static_cast<double>(*out), products.at(i, j));
        const double dp = rounded(static_cast<double>(*dpairs++));
        pairs.at(i, j) += dp;
        pairs.at(j, i) += dp;
      }
    dz = product(pairs, transposed(z));
    for (int64_t v = 0; v < vectors; ++v)
      for (int64_t k = 0; k < kWidth; ++k) {
        const bool added = dense && v == 0;
        const double want = dz.at(v, k) + (added ? static_cast<double>(dout[k]) : 0), got = static_cast<double>(of(Slot::din, v).f32()[k]);
        const double error = dz.error(v, k) + (added ? kHalfUlp * (std::fabs(want) + std::fabs(static_cast<double>(dout[k])) * vectors) : 0);
        expect(std::fabs(got - want) <= error, "%s: dz %lld, %lld is %.9g, expected %.9g", isa_name(isa), static_cast<long long>(v),
               static_cast<long long>(k), got, want);
      }
  }
}

TEST(bf16_interaction_dot) {
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa)
    for (const bool dense : {false, true})
      for (const bool itself : {false, true}) check_interaction(dense, itself, static_cast<Isa>(isa));
}

}  // namespace
}  // namespace dlrm::test
