#include "test/op_checks.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <set>

#include "test/op_fixture.h"
#include "test/op_gradients.h"
#include "test/sanitizer.h"

namespace dlrm::test {
namespace {

constexpr double kEps = 0x1p-23;

Pool& pool_of(int threads) {
  static std::map<int, std::unique_ptr<Pool>> pools;
  std::unique_ptr<Pool>& pool = pools[threads];
  if (!pool) {
    pool = std::make_unique<Pool>(threads);
    pool->serial_below_ns = 0;
  }
  return *pool;
}

std::string describe(int64_t batch, const Variant& variant, const std::string& more) {
  return std::string(variant.name()) + ", B = " + std::to_string(batch) + more;
}

// Tables of 16 bits, rounded stochastically with the same random words: where the sums differ in their last places they may be
// rounded apart, which is rare, to neighbours.
void expect_rounded(const Result& got, const Result& want, const std::string& where) {
  const size_t n = want.words.size();
  size_t apart = 0;
  for (size_t k = 0; k < n; ++k) {
    if (got.words[k] == want.words[k]) continue;
    const double a = got.f32(k), b = want.f32(k), place = want.dtype == DType::bf16 ? 0x1p-7 : 0x1p-10;
    const double tolerance = std::max(place * std::max(std::fabs(a), std::fabs(b)), want.dtype == DType::bf16 ? 0x1p-126 : 0x1p-24);
    expect(std::fabs(a - b) <= tolerance, "%s: %s[%zu] = %.9g, the scalar variant gives %.9g", where.c_str(), want.name.c_str(), k, a, b);
    ++apart;
  }
  expect(apart <= 3 + n / 50, "%s: %zu of %zu numbers of %s are not the scalar variant's", where.c_str(), apart, n, want.name.c_str());
}

// Every sum of n products is within n eps of the sum of their magnitudes, whatever the order of the additions;
// twice that, since both sides round.
void expect_close(const std::vector<Result>& got, const std::vector<Result>& want, double terms, int roundings,
                  const std::string& where) {
  expect(got.size() == want.size(), "%s: other results than the scalar variant", where.c_str());
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t n = want[i].words.size();
    if (want[i].dtype == DType::i32) {
      expect(got[i].words == want[i].words, "%s: %s differs", where.c_str(), want[i].name.c_str());
      continue;
    }
    if (want[i].dtype == DType::bf16 || want[i].dtype == DType::f16) {
      expect_rounded(got[i], want[i], where);
      continue;
    }
    double magnitude = 0;
    for (size_t k = 0; k < n; ++k) magnitude = std::max(magnitude, std::fabs(static_cast<double>(want[i].f32(k))));
    const double tolerance = (2 * kEps * terms + 0x1p-7 * roundings) * magnitude;
    for (size_t k = 0; k < n; ++k) {
      const double a = got[i].f32(k), b = want[i].f32(k);
      if (got[i].words[k] != kSentinel && std::fabs(a - b) <= tolerance) continue;
      expect(got[i].words[k] != kSentinel, "%s: %s[%zu] was not written", where.c_str(), want[i].name.c_str(), k);
      expect(false, "%s: %s[%zu] = %.9g, the scalar variant gives %.9g, tolerance %.3g",
             where.c_str(), want[i].name.c_str(), k, a, b, tolerance);
    }
  }
}

void expect_same(const std::vector<Result>& got, const std::vector<Result>& want, const std::string& where) {
  for (const Result& w : want) {
    const auto g = std::find_if(got.begin(), got.end(), [&](const Result& r) { return r.name == w.name; });
    if (g == got.end()) continue;
    if (g->words == w.words) continue;
    for (size_t k = 0; k < w.words.size(); ++k)
      expect(g->words[k] == w.words[k], "%s: %s[%zu] = %.9g, expected bitwise %.9g", where.c_str(), w.name.c_str(), k,
             g->f32(k), w.f32(k));
  }
}

void check_variants(const OpCase& c) {
  const std::vector<Variant> variants = variants_of(c);
  for (const int64_t batch : c.batches) {
    std::vector<Result> want;
    for (const Variant& variant : variants)
      for (const Edge edge : {Edge::back, Edge::front})
        for (const bool strided : {false, true}) {
          // The device is slow, and AddressSanitizer sees both sides of a buffer: two of the four do.
          if ((variant.device == Device::cuda || kAddressSanitizer) && strided == (edge == Edge::back)) continue;
          const std::string where =
              describe(batch, variant,
                       std::string(edge == Edge::back ? ", page behind" : ", page before") + (strided ? ", strided" : ""));
          set_context(where);
          OpFixture fixture(c, batch, variant, edge, strided);
          fixture.call(nullptr);
          try {
            fixture.expect_intact();
          } catch (Failure& failure) {
            throw Failure{where + ": " + failure.why};
          }
          if (want.empty()) want = fixture.results();
          const double cut = variant.device == Device::cuda ? 2 : 1;  // tensor cores do not round to nearest
          expect_close(fixture.results(), want, cut * static_cast<double>(c.terms + batch + 8), c.roundings, where);
        }
  }
}

// A sanitizer needs every kernel once with as many chunks as there can be, and no two threads that take turns.
void check_threads(const OpCase& c) {
  const bool once = kAddressSanitizer || kThreadSanitizer;
  const int64_t largest = *std::max_element(c.batches.begin(), c.batches.end());
  const std::vector<int> counts = once ? std::vector<int>{3} : std::vector<int>{1, 2, 3, 8};
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa)
    for (const int64_t batch : once ? std::vector<int64_t>{largest} : c.batches) {
      OpFixture serial(c, batch, static_cast<Isa>(isa));
      serial.call(nullptr);
      const std::vector<Result> want = serial.results();
      for (const int threads : counts) {
        const std::string where = describe(batch, static_cast<Isa>(isa), ", threads " + std::to_string(threads));
        set_context(where);
        OpFixture fixture(c, batch, static_cast<Isa>(isa));
        fixture.call(&pool_of(threads));
        expect_same(fixture.results(), want, where);
      }
    }
}

// The emulator takes the threads of a block in another order each time, a GPU in any.
void check_repeated(const OpCase& c) {
  if (!on_device(c)) throw Skip{"no CUDA kernels for it"};
  const int64_t batch = *std::max_element(c.batches.begin(), c.batches.end());
  OpFixture first(c, batch, Device::cuda), second(c, batch, Device::cuda);
  const std::string where = describe(batch, Device::cuda, ", called twice");
  set_context(where);
  first.call(nullptr);
  second.call(nullptr);
  expect_same(second.results(), first.results(), where);
}

void check_omitted(const OpCase& c) {
  for (const Variant& variant : variants_of(c)) {
    OpFixture whole(c, 3, variant);
    whole.call(nullptr);
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      const std::string where = describe(3, variant, ", without din " + std::to_string(i));
      set_context(where);
      OpFixture fixture(c, 3, variant);
      fixture.call(nullptr, static_cast<int>(i));
      fixture.expect_intact();
      expect_same(fixture.results(), whole.results(), where);
    }
  }
}

std::unique_ptr<Op> make(const std::string& op, const AttrMap& attrs, const std::vector<Input>& inputs) {
  MakeArgs args{nullptr, "node", to_attrs(attrs), {}, Isa::scalar};
  for (const Input& input : inputs) args.inputs.push_back(value_spec(input));
  return make_op(op, std::move(args));
}

// What holds for every op: an unknown option, an option of the wrong type, missing inputs.
void check_refusals(const OpCase& c) {
  AttrMap attrs = c.attrs;
  attrs["no_such_option"] = 1.0;
  expect_error(Code::argument, "no_such_option", [&] { make(c.op, attrs, c.inputs); });
  for (const auto& item : c.attrs) {
    attrs = c.attrs;
    attrs[item.first] = std::vector<std::string>{"of", "another", "type"};
    if (std::holds_alternative<std::vector<std::string>>(item.second)) attrs[item.first] = 1.5;
    expect_error(Code::argument, item.first, [&] { make(c.op, attrs, c.inputs); });
  }
  if (!c.inputs.empty()) expect_error(Code::shape, "input", [&] { make(c.op, c.attrs, {}); });
}

bool has_cuda(const std::string& op) { return getenv("DLRM_CUDA_PLUGIN") && cuda_plugin().kernels(op.c_str()); }

// A case that cannot be made counts as differentiable: its tests will tell.
bool differentiable(const OpCase& c) {
  try {
    return make(c.op, c.attrs, c.inputs)->differentiable;
  } catch (const Error&) {
    return true;
  }
}

struct CaseFunctions {
  void (*cases)(std::vector<OpCase>&);
  void (*errors)(std::vector<ErrorCase>&);
};

std::vector<CaseFunctions>& case_files() {
  static std::vector<CaseFunctions> files;
  return files;
}

void check_every_op_has_cases() {
  std::set<std::string> with_case, with_error;
  for (const OpCase& c : op_cases()) with_case.insert(c.op);
  for (const ErrorCase& c : error_cases()) with_error.insert(c.op);
  for (const OpDef& def : registry()) {
    expect(with_case.count(def.name), "%s has no case in native/test/cases*.cpp", def.name);
    expect(with_error.count(def.name), "%s has no error case in native/test/cases*.cpp", def.name);
  }
}

}  // namespace

CaseFile::CaseFile(void (*cases)(std::vector<OpCase>&), void (*errors)(std::vector<ErrorCase>&)) {
  case_files().push_back({cases, errors});
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> all;
  for (const CaseFunctions& file : case_files()) file.cases(all);
  return all;
}

std::vector<ErrorCase> error_cases() {
  std::vector<ErrorCase> all;
  for (const CaseFunctions& file : case_files()) file.errors(all);
  return all;
}

std::vector<Test> op_tests() {
  std::vector<Test> tests = {{"every_op_has_cases", check_every_op_has_cases}};
  for (const OpCase& c : op_cases()) {
    const std::string name = c.op + "/" + c.name + "/";
    if (kThreadSanitizer) {  // the others have one thread
      tests.push_back({name + "threads", [c] { check_threads(c); }});
      continue;
    }
    tests.push_back({name + "variants", [c] { check_variants(c); }});
    tests.push_back({name + "threads", [c] { check_threads(c); }});
    if (has_cuda(c.op) && !kAddressSanitizer) tests.push_back({name + "repeated", [c] { check_repeated(c); }});
    tests.push_back({name + "refusals", [c] { check_refusals(c); }});
    if (!differentiable(c)) continue;
    if (!c.bf16) tests.push_back({name + "gradients", [c] { check_gradients(c); }});
    tests.push_back({name + "omitted", [c] { check_omitted(c); }});
  }
  for (const ErrorCase& c : error_cases())
    tests.push_back({c.op + "/error/" + c.name, [c] {
                       expect_error(c.code, c.text, [&] { make(c.op, c.attrs, c.inputs); });
                     }});
  return tests;
}

}  // namespace dlrm::test
