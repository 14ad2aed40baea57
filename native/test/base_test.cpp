#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/isa.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/rng.h"
#include "exec/init.h"
#include "exec/op_runner.h"
#include "test/environment.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

void expect_block(const Philox::Block& got, std::vector<uint32_t> want) {
  for (size_t i = 0; i < 4; ++i) expect(got.v[i] == want[i], "word %zu: %08x, expected %08x", i, got.v[i], want[i]);
}

// Philox4x32-10 vectors of Random123's kat_vectors.
TEST(philox_known_answers) {
  expect_block(Philox{0}(0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  expect_block(Philox{~0ull}(~0ull, ~0ull), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  expect_block(Philox{0x299f31d0a4093822}(0x85a308d3243f6a88, 0x0370734413198a2e),
               {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(uniform01_stays_below_one) {
  expect(uniform01(0) == 0.0f, "0 gives %g", uniform01(0));
  expect(uniform01(~0u) < 1.0f, "2^32 - 1 gives %g", uniform01(~0u));
}

TEST(normal_pair_is_finite_at_the_ends) {
  for (const uint32_t a : {0u, 1u, ~0u})
    for (const uint32_t b : {0u, ~0u}) {
      float pair[2];
      normal_pair(a, b, pair);
      expect(std::isfinite(pair[0]) && std::isfinite(pair[1]), "(%u, %u) gives %g, %g", a, b, pair[0], pair[1]);
    }
}

// Mean and variance of n numbers lie within 5 standard errors of the distribution's.
void expect_moments(const Init& init, double mean, double deviation, double fourth_moment) {
  const int64_t rows = 500, cols = 401;
  HeapMemory memory;
  const View view = memory.matrix(Slot::params, rows, cols, DType::f32);
  init_parameter({"w", {rows, cols}, init}, view, 1, 2);
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(rows * cols);
  for (int64_t i = 0; i < rows * cols; ++i) {
    const double z = (view.f32()[i] - mean) / deviation;
    sum += z;
    squares += z * z;
  }
  expect(std::fabs(sum / n) < 5 / std::sqrt(n), "mean is off by %g deviations", sum / n);
  expect(std::fabs(squares / n - 1) < 5 * std::sqrt((fourth_moment - 1) / n), "variance is %g of the expected", squares / n);
}

TEST(init_parameter_distributions) {
  expect_moments({Init::normal, 3, 0.5}, 3, 0.5, 3);
  expect_moments({Init::uniform, -2, 4}, 1, 6 / std::sqrt(12.0), 1.8);
}

TEST(init_parameter_depends_on_seed_stream_and_place_alone) {
  HeapMemory memory;
  const ParamSpec spec{"w", {301, 67}, {Init::normal, 0, 1}};
  const View serial = memory.matrix(Slot::params, 301, 67, DType::f32);
  View strided = memory.matrix(Slot::params, 301, 70, DType::f32);
  strided.cols = 67;
  init_parameter(spec, serial, 5, 1);
  Pool pool(3);
  pool.serial_below_ns = 0;
  init_parameter(spec, strided, 5, 1, &pool);
  for (int64_t r = 0; r < 301; ++r) {
    expect(!memcmp(serial.row(r), strided.row(r), 67 * 4), "row %lld differs", static_cast<long long>(r));
    for (int k = 67; k < 70; ++k) expect(strided.row(r)[k] == 0, "wrote between the rows");
  }
  init_parameter(spec, strided, 5, 2);
  expect(memcmp(serial.row(0), strided.row(0), 67 * 4) != 0, "another stream gives the same numbers");
  init_parameter(spec, strided, 6, 1);
  expect(memcmp(serial.row(0), strided.row(0), 67 * 4) != 0, "another seed gives the same numbers");
}

TEST(buffer_is_aligned_zeroed_and_grows) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{4097}, size_t{1} << 20, (size_t{3} << 20) + 1, (size_t{15} << 20) + 1}) {
    Buffer buffer(size);
    const size_t align = size < size_t{1} << 20 ? kAlign : size_t{2} << 20;  // a huge page
    expect(reinterpret_cast<uintptr_t>(buffer.data()) % align == 0, "%zu bytes: not aligned", size);
    expect(buffer.size() == size, "%zu bytes: size() = %zu", size, buffer.size());
    for (size_t i = 0; i < size; ++i) expect(!buffer.data()[i], "%zu bytes: byte %zu is not zero", size, i);
    memset(buffer.data(), 1, size);
    char* before = buffer.data();
    buffer.reserve(size / 2);
    expect(buffer.data() == before && buffer.size() == size, "%zu bytes: shrank", size);
    Buffer moved(std::move(buffer));
    expect(moved.data() == before && !buffer.data() && !buffer.size(), "%zu bytes: was not moved", size);
    moved.reserve(size * 2);
    for (size_t i = 0; i < size * 2; ++i) expect(!moved.data()[i], "%zu bytes: not zero after growing", size);
  }
}

TEST(buffer_out_of_memory) {
  Buffer buffer;
  for (const size_t size : {size_t{1} << 60, SIZE_MAX})
    expect_error(Code::memory, "out of memory", [&] { buffer.reserve(size); });
  expect(!buffer.data() && !buffer.size(), "a failed reserve left something behind");
  buffer.reserve(8);
}

TEST(chunk_range_covers_everything_once) {
  for (const int64_t total : {0, 1, 5, 31, 32, 33, 1000})
    for (const int64_t chunks : {1, 2, 7, 40}) {
      int64_t next = 0;
      for (int64_t i = 0; i < chunks; ++i) {
        const Range range = chunk_range(total, chunks, i);
        expect(range.begin == next, "chunk %lld of %lld does not begin where the last ended", static_cast<long long>(i),
               static_cast<long long>(chunks));
        const int64_t size = range.end - range.begin;
        expect(size == total / chunks || size == total / chunks + 1, "chunks are not nearly equal");
        next = range.end;
      }
      expect(next == total, "chunks end at %lld of %lld", static_cast<long long>(next), static_cast<long long>(total));
    }
}

TEST(attrs_read_their_types) {
  const Attrs attrs{{"number", 2.5}, {"flag", true}, {"text", std::string("a")}, {"numbers", std::vector<double>{1, 2}},
                    {"texts", std::vector<std::string>{"x"}}};
  expect(attrs.number("op", "number", 0) == 2.5 && attrs.number("op", "absent", 7) == 7, "number");
  expect(attrs.flag("op", "flag", false) && attrs.flag("op", "absent", true), "flag");
  expect(attrs.text("op", "text", "") == "a" && attrs.text("op", "absent", "b") == "b", "text");
  expect(attrs.sizes("op", "numbers") == std::vector<int64_t>{1, 2} && attrs.numbers("op", "absent").empty(), "numbers");
  expect(attrs.texts("op", "texts") == std::vector<std::string>{"x"}, "texts");
  attrs.done("op");
}

TEST(attrs_refuse_other_types_and_names) {
  const Attrs attrs{{"a", 1.0}, {"b", std::vector<double>{1.5}}};
  expect_error(Code::argument, "[op] a: expected true or false", [&] { attrs.flag("op", "a", false); });
  expect_error(Code::argument, "[op] a: expected a string", [&] { attrs.text("op", "a", ""); });
  expect_error(Code::argument, "[op] a: expected an array", [&] { attrs.numbers("op", "a"); });
  expect_error(Code::argument, "[op] a: expected an array of strings", [&] { attrs.texts("op", "a"); });
  expect_error(Code::argument, "[op] b: expected a number", [&] { attrs.number("op", "b", 0); });
  for (const double size : {1.5, -1.0, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    const Attrs bad{{"b", std::vector<double>{size}}};
    expect_error(Code::argument, "[op] b: expected integers", [&] { bad.sizes("op", "b"); });
  }
  const Attrs unread{{"unread", 1.0}};
  expect_error(Code::argument, "[op] unread: no such option", [&] { unread.done("op"); });
}

TEST(isa_names) {
  for (int i = 0; i <= static_cast<int>(best_isa()); ++i)
    expect(isa_from_name(isa_name(static_cast<Isa>(i))) == static_cast<Isa>(i), "%s", isa_name(static_cast<Isa>(i)));
  for (int i = static_cast<int>(best_isa()) + 1; i < kIsaCount; ++i)
    expect_error(Code::argument, "this machine has no", [&] { isa_from_name(isa_name(static_cast<Isa>(i))); });
  for (const char* name : {"", "AVX2", "sse", "avx2 "})
    expect_error(Code::argument, "expected scalar, avx2, avx512, avx512_bf16 or amx", [&] { isa_from_name(name); });
}

TEST(isa_environment_only_lowers) {
  {
    const Environment isa("DLRM_ISA", "scalar");
    expect(default_isa() == Isa::scalar, "DLRM_ISA=scalar gives %s", isa_name(default_isa()));
  }
  {
    const Environment isa("DLRM_ISA", "amx");
    expect(default_isa() == best_isa(), "DLRM_ISA=amx gives %s", isa_name(default_isa()));
  }
  {
    const Environment isa("DLRM_ISA", "");
    expect(default_isa() == best_isa(), "an empty DLRM_ISA gives %s", isa_name(default_isa()));
  }
  const Environment isa("DLRM_ISA", "fast");
  expect_error(Code::argument, "\"fast\"", [] { default_isa(); });
}

TEST(variant_table_falls_back) {
  const int kernels[] = {0, 1};
  const VariantTable<int> table{{&kernels[0], &kernels[1], nullptr}}, scalar_only{{&kernels[0], nullptr, nullptr}};
  expect(table.pick(Isa::avx512) == 1 && table.pick(Isa::avx2) == 1 && table.pick(Isa::scalar) == 0, "table");
  expect(scalar_only.pick(Isa::avx512) == 0, "scalar only");
}

TEST(thread_count_from_the_environment) {
  for (const char* text : {"1", "3", "1024"}) {
    const Environment threads("DLRM_THREADS", text);
    expect(default_threads() == atoi(text), "DLRM_THREADS=%s gives %d", text, default_threads());
  }
  for (const char* text : {"0", "-1", "1025", "2x", "x", "1.5", "99999999999999999999", " "}) {
    const Environment threads("DLRM_THREADS", text);
    expect_error(Code::argument, "DLRM_THREADS: expected an integer from 1 to 1024", [] { default_threads(); });
  }
  const Environment threads("DLRM_THREADS", "");
  expect(default_threads() >= 1, "an empty DLRM_THREADS gives %d", default_threads());
}

TEST(make_op_refuses_unknown_names) {
  expect_error(Code::argument, "there is no op \"no_such_op\"", [] { make_op("no_such_op", MakeArgs{}); });
}

TEST(op_runner_refuses_views_that_do_not_fit) {
  MakeArgs args{nullptr, "node", {}, {{kPerExample, 2}, {kPerExample, 4}}, Isa::scalar};
  OpRunner runner("interaction_dot", args, 3);
  float numbers[64] = {};
  const auto view = [&](int64_t rows, int64_t cols, DType dtype = DType::f32) {
    return View{numbers, dtype, rows, cols, cols};
  };
  expect_error(Code::shape, "expected 3 x 2 of f32, received 2 x 2", [&] { runner.bind(Slot::in, 0, view(2, 2)); });
  expect_error(Code::shape, "received 3 x 5", [&] { runner.bind(Slot::in, 1, view(3, 5)); });
  expect_error(Code::shape, "of i32", [&] { runner.bind(Slot::in, 1, view(3, 4, DType::i32)); });
  expect_error(Code::shape, "there are only 2", [&] { runner.bind(Slot::in, 2, view(3, 4)); });
  expect_error(Code::shape, "expected bags of 0 tables", [&] { runner.bind_bags(0, Bags{1}); });
  runner.bind(Slot::in, 0, view(3, 2));
}

}  // namespace
}  // namespace dlrm::test
