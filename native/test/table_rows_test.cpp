// Tables of 16 bits: their numbers, and stochastic rounding: repeatable, between the neighbours, exact in the mean.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/half.h"
#include "base/rng.h"
#include "base/table_rows.h"
#include "exec/op_runner.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

struct Format {
  const char* name;
  DType dtype;
  float (*from)(uint16_t);
  uint16_t (*nearest)(float);
  uint16_t (*stochastic)(float, uint32_t);
  uint16_t infinity;
};
const Format kFormats[] = {
    {"bf16", DType::bf16, from_bf16, [](float x) { return to_bf16(x); }, [](float x, uint32_t r) { return to_bf16(x, r); }, 0x7f80},
    {"f16", DType::f16, from_f16, [](float x) { return to_f16(x); }, [](float x, uint32_t r) { return to_f16(x, r); }, 0x7c00},
};

// The neighbours of a finite x: the largest number of the format not above |x| and the one behind it.
uint16_t below(const Format& f, float x) {
  uint16_t low = 0, high = f.infinity;
  while (high - low > 1) {
    const auto middle = static_cast<uint16_t>((low + high) / 2);
    (f.from(middle) <= std::fabs(x) ? low : high) = middle;
  }
  return low;
}

std::vector<float> samples() {
  std::vector<float> all = {0, 1, 1.0f + 0x1p-9f, 0x1p-14f, 0x1p-14f - 0x1p-26f, 0x1.8p-25f, 0x1p-30f, 3e-39f, 65504, 65519, 6e4f, 1e-3f};
  for (uint64_t i = 0; i < 2000; ++i) {
    const Philox::Block block = Philox{3}(i);
    all.push_back(std::ldexp(1 + uniform01(block.v[0]), static_cast<int>(block.v[1] % 38) - 23));
  }
  return all;
}

TEST(half_numbers_come_back) {
  for (const Format& f : kFormats)
    for (uint32_t h = 0; h < 0x10000; ++h) {
      const auto half = static_cast<uint16_t>(h);
      const float x = f.from(half);
      if (std::isnan(x)) {
        expect(std::isnan(f.from(f.nearest(x))) && std::isnan(f.from(f.stochastic(x, h * 0x9e3779b9u))), "%s %x: NaN", f.name, h);
        continue;
      }
      expect(f.nearest(x) == half, "%s %x: nearest %x", f.name, h, f.nearest(x));
      expect(f.stochastic(x, ~0u) == half && f.stochastic(x, 0) == half, "%s %x: stochastic", f.name, h);
    }
}

TEST(half_nearest) {
  for (const Format& f : kFormats)
    for (const float sample : samples())
      for (const float x : {sample, -sample}) {
        const uint16_t low = below(f, x), high = static_cast<uint16_t>(low + 1), got = f.nearest(x);
        const double d = std::fabs(static_cast<double>(x)), to_low = d - f.from(low);
        const double to_high = (high == f.infinity ? 65536.0 : static_cast<double>(f.from(high))) - d;
        const uint16_t want = to_low < to_high || (to_low == to_high && low % 2 == 0) ? low : high;
        expect(got == (want | (std::signbit(x) ? 0x8000 : 0)), "%s %.9g: %x, expected %x", f.name, static_cast<double>(x), got, want);
      }
}

TEST(half_stochastic_is_between_the_neighbours_and_exact_in_the_mean) {
  constexpr int kDraws = 4096;
  for (const Format& f : kFormats)
    for (const float sample : samples())
      for (const float x : {sample, -sample}) {
        const uint16_t low = below(f, x), sign = std::signbit(x) ? 0x8000 : 0;
        const double place = low + 1 == f.infinity ? 32 : static_cast<double>(f.from(static_cast<uint16_t>(low + 1))) - f.from(low);
        double sum = 0;
        for (uint32_t i = 0; i < kDraws; ++i) {
          const uint16_t got = f.stochastic(x, i << 20 | 0x80000);  // every value of the upper bits that count, once
          expect(got == (low | sign) || got == ((low + 1) | sign), "%s %.9g: %x is no neighbour", f.name, static_cast<double>(x), got);
          sum += f.from(got);
        }
        if (std::fabs(x) > f.from(static_cast<uint16_t>(f.infinity - 1))) continue;  // stays at the largest
        const double error = std::fabs(sum / kDraws - static_cast<double>(x));
        expect(error <= place / 2048, "%s %.9g: the mean is off by %.3g of %.3g", f.name, static_cast<double>(x), error, place);
      }
}

TEST(rounding_words_are_even) {
  // By row, by column, by key: the mean of the words and of products of neighbours.
  for (int way = 0; way < 3; ++way) {
    double sum = 0, products = 0, last = 0;
    constexpr int n = 1 << 16;
    for (int i = 0; i < n; ++i) {
      const RoundingKey key{way == 2 ? static_cast<uint64_t>(i) : 77};
      const uint32_t word = rounding_word(key.row(way == 0 ? i : 5), way == 1 ? static_cast<uint32_t>(i) : 3);
      const double u = word * 0x1p-32 - 0.5;
      sum += u;
      products += u * last;
      last = u;
    }
    expect(std::fabs(sum / n) < 5 * 0.2887 / std::sqrt(n), "mean of way %d: %g", way, sum / n);
    expect(std::fabs(products / n) < 5 * 0.0834 / std::sqrt(n), "products of way %d: %g", way, products / n);
  }
}

constexpr int64_t kRows = 8192, kWidth = 3;

// One step on a table whose rows are all alike and looked up once each.
std::vector<float> updated(const Attrs& rule, DType dtype, Isa isa, uint64_t key, int64_t step) {
  std::vector<int32_t> offsets(kRows + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  const int32_t *first = offsets.data(), *indices = first;
  const Bags bags{1, &first, &indices, nullptr, &kRows};
  MakeArgs args;
  args.name = "node";
  args.attrs = rule;
  args.attrs.set("rows", std::vector<double>{kRows});
  args.attrs.set("width", static_cast<double>(kWidth));
  args.attrs.set("names", std::vector<std::string>{"t"});
  args.attrs.set("dtype", std::string(dtype_name(dtype)));
  args.inputs = {{kPerExample, 0, 1}, {kPerExample, kWidth}};
  args.isa = isa;
  OpRunner runner("embedding_update", args, kRows);
  runner.bind_bags(0, bags);
  std::vector<float> dout, weights;
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t k = 0; k < kWidth; ++k) {
      dout.push_back(0.7f - static_cast<float>(k));
      weights.push_back(0.37f * static_cast<float>(k + 1));
    }
  runner.bind(Slot::in, 1, {dout.data(), DType::f32, kRows, kWidth, kWidth});
  store_span(runner.view(Slot::params, 0), 0, kRows * kWidth, weights.data());
  runner.set_training(true, key);
  runner.set_step(0.001, step);
  runner.forward();
  load_span(runner.view(Slot::params, 0), 0, kRows * kWidth, weights.data());
  return weights;
}

TEST(updates_of_half_tables_are_exact_in_the_mean) {
  const std::pair<const char*, Attrs> rules[] = {
      {"sgd", {{"rule", std::string("sgd")}}},
      {"momentum", {{"rule", std::string("sgd")}, {"momentum", 0.9}, {"lazy", false}}},
      {"adagrad", {{"rule", std::string("adagrad")}}},
      {"rowwise_adagrad", {{"rule", std::string("rowwise_adagrad")}, {"weight_decay", 0.01}}},
      {"adam", {{"rule", std::string("adam")}}},
      {"ftrl", {{"rule", std::string("ftrl")}}},
  };
  for (const auto& [name, rule] : rules)
    for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa)
      for (const Format& f : kFormats) {
        const std::vector<float> got = updated(rule, f.dtype, static_cast<Isa>(isa), 5, 1);
        for (int64_t k = 0; k < kWidth; ++k) {
          // The table starts at what the format has of 0.37 (k + 1): where float32 starts there, too, its result is the mean.
          const float start = f.from(f.nearest(0.37f * static_cast<float>(k + 1)));
          const float exact = updated(rule, DType::f32, static_cast<Isa>(isa), 5, 1)[static_cast<size_t>(k)] - 0.37f * static_cast<float>(k + 1) + start;
          const uint16_t low = below(f, exact);
          const double place = static_cast<double>(f.from(static_cast<uint16_t>(low + 1))) - f.from(low);
          double sum = 0;
          for (int64_t r = 0; r < kRows; ++r) sum += got[static_cast<size_t>(r * kWidth + k)];
          const double error = std::fabs(sum / kRows - static_cast<double>(exact));
          expect(error < place * 5 * 0.5 / std::sqrt(kRows) + 1e-3 * place, "%s %s %s: the mean of column %d is off by %.3g of a place",
                 name, f.name, isa_name(static_cast<Isa>(isa)), static_cast<int>(k), error / place);
        }
      }
}

TEST(updates_of_half_tables_depend_on_key_step_and_row_alone) {
  const Attrs sgd = {{"rule", std::string("sgd")}};
  for (const Format& f : kFormats) {
    const std::vector<float> once = updated(sgd, f.dtype, best_isa(), 5, 1);
    expect(once == updated(sgd, f.dtype, best_isa(), 5, 1), "the same again");
    expect(once == updated(sgd, f.dtype, Isa::scalar, 5, 1), "the same by plain loops");
    expect(once != updated(sgd, f.dtype, best_isa(), 6, 1), "another key");
    expect(once != updated(sgd, f.dtype, best_isa(), 5, 2), "another step");
    size_t apart = 0;
    for (size_t r = 1; r < kRows; ++r) apart += once[r * kWidth] != once[0];
    expect(apart > kRows / 50, "rows are rounded alike");
  }
}

TEST(quantised_rows_are_near_and_whole) {
  for (const DType dtype : {DType::int8, DType::int4})
    for (const int64_t cols : {1, 2, 7, 16, 33}) {
      std::vector<float> x(static_cast<size_t>(cols)), back(x.size());
      for (size_t k = 0; k < x.size(); ++k) x[k] = uniform01(Philox{9}(k).v[0]) * 2 - 1;
      std::vector<uint8_t> memory(static_cast<size_t>(2 * row_bytes(dtype, cols)), 0xee);
      const View table{memory.data(), dtype, 2, cols, row_elements(dtype, cols)};
      store_span(table, cols, cols, x.data());
      load_span(table, cols, cols, back.data());
      const float range = *std::max_element(x.begin(), x.end()) - *std::min_element(x.begin(), x.end());
      const float levels = dtype == DType::int8 ? 255 : 15, place = range / levels;
      for (size_t k = 0; k < x.size(); ++k)
        expect(std::fabs(x[k] - back[k]) <= 0.5f * place * 1.01f + (dtype == DType::int4 ? 0x1p-10f : 1e-6f), "%s: %g became %g", dtype_name(dtype),
               static_cast<double>(x[k]), static_cast<double>(back[k]));
      expect(memory[0] == 0xee && memory[static_cast<size_t>(row_bytes(dtype, cols)) - 1] == 0xee, "another row was written");
      std::vector<float> one(2);
      load_span(table, cols + cols / 2, 1, one.data());
      expect(one[0] == back[static_cast<size_t>(cols / 2)], "part of a row");
      if (cols > 1) expect_error(Code::shape, "whole rows", [&] { store_span(table, 1, cols, x.data()); });
    }
}

}  // namespace
}  // namespace dlrm::test
