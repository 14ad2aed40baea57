#include "test/op_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "base/table_rows.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

MakeArgs make_args(const OpCase& c, const Variant& variant) {
  MakeArgs args{nullptr, "node", to_attrs(c.attrs), {}, variant.isa, variant.device};
  for (const Input& input : c.inputs) args.inputs.push_back(value_spec(input));
  return args;
}

constexpr uint64_t kKey = 11;  // of an op's random numbers

void fill_words(const View& view, uint32_t word) {
  for (int64_t r = 0; r < view.rows; ++r) std::fill_n(reinterpret_cast<uint32_t*>(view.row(r)), view.cols, word);
}

}  // namespace

ValueSpec value_spec(const Input& input) {
  if (input.kind == Input::bags) return {kPerExample, 0, static_cast<int64_t>(input.table_rows.size())};
  return {input.rows, input.cols, 0, input.kind == Input::positions ? DType::i32 : DType::f32};
}

Attrs to_attrs(const AttrMap& map) {
  Attrs attrs;
  for (const auto& item : map) attrs.set(item.first, item.second);
  return attrs;
}

float Result::f32(size_t i) const {
  float value;
  memcpy(&value, &words[i], sizeof value);
  return value;
}

bool on_device(const OpCase& c) {
  if (!getenv("DLRM_CUDA_PLUGIN")) return false;
  if (!cuda_plugin().kernels(c.op.c_str())) return false;
  try {
    make_op(c.op, make_args(c, Device::cuda));
  } catch (const Error& error) {
    if (error.code == Code::argument && strstr(error.what(), "] device: ")) return false;
    throw;
  }
  return true;
}

std::vector<Variant> variants_of(const OpCase& c) {
  std::vector<Variant> all;
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) all.push_back(static_cast<Isa>(isa));
  if (on_device(c)) all.push_back(Device::cuda);
  return all;
}

OpFixture::OpFixture(const OpCase& c, int64_t batch, const Variant& variant, Edge edge, bool strided)
    : case_(c),
      memory_(edge, strided, variant.device == Device::cuda && !cuda_device().emulated),
      runner_(c.op, make_args(c, variant), batch, &memory_) {
  for (size_t i = 0; i < c.inputs.size(); ++i)
    if (c.inputs[i].kind == Input::bags) fill_bags(c.inputs[i], i);
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (c.inputs[i].kind == Input::matrix) fill_matrix(c.inputs[i], runner_.view(Slot::in, i));
    if (c.inputs[i].kind == Input::positions) fill_positions(c.inputs[i], runner_.view(Slot::in, i));
    if (!c.inputs[i].differentiable) runner_.omit(Slot::din, i);
  }
  runner_.init_params(7);
  if (runner_.op().differentiable) fill_plain_parameters();
  if (c.zeros > 0) prune();
  runner_.set_training(c.training, kKey);
  for (int i = 0; i < c.gradients; ++i) fill_matrix(matrix(0), runner_.view(Slot::dparams, static_cast<size_t>(i)));
  if (runner_.op().differentiable)
    for (size_t i = 0; i < runner_.count(Slot::dout); ++i) fill_matrix(matrix(0), runner_.view(Slot::dout, i));
  given_ = read_only();
}

void OpFixture::prune() {
  for (size_t i = 0; i < runner_.count(Slot::params); ++i) {
    const View& param = runner_.view(Slot::params, i);
    for (int64_t r = 0; param.rows > 1 && r < param.rows; ++r)
      for (int64_t k = 0; k < param.cols; ++k)
        if (uniform(0, 1) < case_.zeros) param.row(r)[k] = 0;
  }
}

void OpFixture::predict(Pool* pool) {
  runner_.set_training(false);
  forward(pool);
  expect_intact();
  predicted_.clear();
  for (size_t i = 0; i < runner_.count(Slot::out); ++i) add(predicted_, "prediction", i, runner_.view(Slot::out, i));
  runner_.set_training(true, kKey);
}

// What starts as zeros or ones would hide mistakes.
void OpFixture::fill_plain_parameters() {
  for (size_t i = 0; i < runner_.count(Slot::params); ++i) {
    const Init::Kind kind = runner_.op().params[i].init.kind;
    if (kind == Init::zeros || kind == Init::ones) fill_matrix(matrix(0, 0.5, 1.5), runner_.view(Slot::params, i));
  }
}

uint32_t OpFixture::random() {
  const uint64_t i = drawn_++;
  return Philox{42}(i / 4).v[i % 4];
}

float OpFixture::uniform(float lo, float hi) { return lo + (hi - lo) * uniform01(random()); }

int32_t* OpFixture::integers(int64_t n) {
  return memory_.matrix(Slot::params, 1, n, DType::i32).i32();
}

void OpFixture::fill_matrix(const Input& input, const View& view) {
  for (int64_t r = 0; r < view.rows; ++r)
    for (int64_t k = 0; k < view.cols; ++k) {
      const float value = uniform(input.lo, input.hi);
      view.row(r)[k] = input.whole ? std::floor(value) : value;
    }
}

void OpFixture::fill_bags(const Input& input, size_t at) {
  const int64_t batch = runner_.batch();
  for (const int64_t rows : input.table_rows) {
    int32_t* offsets = integers(batch + 1);
    offsets[0] = 0;
    for (int64_t b = 0; b < batch; ++b) {
      const uint32_t draw = random();
      const uint32_t length = input.style == Input::one_hot     ? 1
                              : input.style == Input::multi_hot ? draw % 7
                              : input.style == Input::repeated  ? draw % 41
                              : input.style == Input::giant     ? (b % 3 == 1 || batch == 1 ? 30000 : draw % 7)
                                                                : 0;
      offsets[b + 1] = input.alike && !offsets_.empty() ? offsets_[0][b + 1] : offsets[b] + static_cast<int32_t>(length);
    }
    const int64_t lookups = offsets[batch];
    int32_t* indices = integers(lookups);
    float* weights = input.weighted ? memory_.matrix(Slot::params, 1, lookups, DType::f32).f32() : nullptr;
    for (int64_t i = 0; i < lookups; ++i) {
      const bool hot = input.style == Input::repeated && random() % 4;
      indices[i] = static_cast<int32_t>(random() % static_cast<uint64_t>(hot ? std::min<int64_t>(rows, 2) : rows));
      if (weights) weights[i] = uniform(-1, 2);
    }
    offsets_.push_back(offsets);
    indices_.push_back(indices);
    weights_.push_back(weights);
    counts_.push_back(lookups);
  }
  bags_ = {static_cast<int64_t>(input.table_rows.size()), offsets_.data(), indices_.data(),
           input.weighted ? weights_.data() : nullptr, counts_.data()};
  runner_.bind_bags(at, bags_);
}

void OpFixture::fill_positions(const Input& input, const View& view) {
  std::vector<std::pair<int64_t, int64_t>> parts = input.parts;
  for (int64_t bag = 0; input.parts.empty() && bag < bags_.tables; ++bag) parts.push_back({bag, view.cols / bags_.tables});
  for (int64_t b = 0; b < view.rows; ++b) {
    int32_t* winner = view.i32() + b * view.stride;
    for (const auto& part : parts) {
      const int32_t* offsets = bags_.offsets[part.first];
      const auto length = static_cast<uint32_t>(offsets[b + 1] - offsets[b]);
      for (int64_t k = 0; k < part.second; ++k) *winner++ = length ? offsets[b] + static_cast<int32_t>(random() % length) : -1;
    }
  }
}

// Overwrites what backward must not read; returns what was there.
std::vector<std::pair<View, Result>> OpFixture::poison(Slot slot) {
  uint32_t nan;
  const float quiet = std::numeric_limits<float>::quiet_NaN();
  memcpy(&nan, &quiet, sizeof nan);
  std::vector<std::pair<View, Result>> before;
  for (size_t i = 0; i < runner_.count(slot); ++i) {
    const View& view = runner_.view(slot, i);
    if (!view || view.dtype != DType::f32) continue;
    before.emplace_back(view, copy("", i, view));
    fill_words(view, nan);
  }
  return before;
}

void OpFixture::forward(Pool* pool) {
  runner_.prepare(pool);
  runner_.forward(pool);
}

void OpFixture::call(Pool* pool, int omitted) {
  if (!runner_.op().differentiable) {
    for (int step = 1; step <= case_.steps; ++step) {
      runner_.set_step(0.1, step);
      if (case_.clipped) squares_.push_back(static_cast<float>(runner_.squares(pool)));
      forward(pool);
    }
    return;
  }
  if (case_.zeros > 0) predict(pool);
  forward(pool);
  expect_intact();
  for (size_t i = 0; i < predicted_.size(); ++i)
    expect(predicted_[i].words == copy("", i, runner_.view(Slot::out, i)).words, "output %zu of a step is not bitwise the prediction", i);
  std::vector<std::pair<View, Result>> hidden;
  if (!runner_.op().backward_reads_inputs) hidden = poison(Slot::in);
  if (!runner_.op().backward_reads_outputs)
    for (auto& item : poison(Slot::out)) hidden.push_back(std::move(item));
  if (omitted >= 0) runner_.omit(Slot::din, static_cast<size_t>(omitted));
  runner_.backward(pool);
  for (const auto& item : hidden)
    for (int64_t r = 0; r < item.first.rows; ++r)
      for (int64_t k = 0; k < item.first.cols; ++k)
        item.first.row(r)[k] = item.second.f32(static_cast<size_t>(r * item.first.cols + k));
}

Result OpFixture::copy(const char* what, size_t i, const View& view) {
  Result result{std::string(what) + " " + std::to_string(i), view.dtype, {}};
  std::vector<float> numbers(static_cast<size_t>(view.cols));
  for (int64_t r = 0; r < view.rows; ++r) {
    const bool words = dtype_bytes(view.dtype) == 4;
    if (!words) load_row(view, r, numbers.data());
    const auto* row = reinterpret_cast<const uint32_t*>(words ? view.row(r) : numbers.data());
    result.words.insert(result.words.end(), row, row + view.cols);
  }
  return result;
}

void OpFixture::add(std::vector<Result>& results, const char* what, size_t i, const View& view) {
  if (view) results.push_back(copy(what, i, view));
}

std::vector<Result> OpFixture::results() {
  std::vector<Result> results = predicted_;
  if (const auto n = static_cast<int64_t>(squares_.size())) add(results, "squares", 0, {squares_.data(), DType::f32, 1, n, n});
  const bool updates = !runner_.op().differentiable;
  const std::pair<Slot, const char*> slots[] = {
      {Slot::out, "output"}, {Slot::din, "din"}, {Slot::dparams, "dparam"}, {Slot::params, "parameter"}};
  for (const auto& slot : slots) {
    if (updates ? slot.first == Slot::din || slot.first == Slot::dparams : slot.first == Slot::params) continue;
    for (size_t i = 0; i < runner_.count(slot.first); ++i) add(results, slot.second, i, runner_.view(slot.first, i));
  }
  for (size_t i = 0; !updates && i < runner_.count(Slot::params); ++i)
    if (runner_.op().params[i].buffer) add(results, "buffer", i, runner_.view(Slot::params, i));
  if (!updates && runner_.dlookup()) {
    const int64_t lookups = bags_.total_lookups() * runner_.op().dlookup_cols;
    add(results, "dlookup", 0, {runner_.dlookup(), DType::f32, 1, lookups, lookups});
  }
  return results;
}

std::vector<Result> OpFixture::read_only() {
  std::vector<Result> given;
  const bool updates = !runner_.op().differentiable;
  for (size_t i = 0; i < runner_.count(Slot::in); ++i) add(given, "input", i, runner_.view(Slot::in, i));
  if (!updates)
    for (size_t i = 0; i < runner_.count(Slot::params); ++i)
      if (!case_.training || !runner_.op().params[i].buffer) add(given, "parameter", i, runner_.view(Slot::params, i));
  if (!updates)
    for (size_t i = 0; i < runner_.count(Slot::dout); ++i) add(given, "dout", i, runner_.view(Slot::dout, i));
  for (int i = 0; i < case_.gradients; ++i)
    add(given, "dparam", static_cast<size_t>(i), runner_.view(Slot::dparams, static_cast<size_t>(i)));
  for (size_t t = 0; t < indices_.size(); ++t) {
    const int64_t lookups = bags_.lookups(static_cast<int64_t>(t));
    add(given, "indices", t, {indices_[t], DType::i32, 1, lookups, lookups});
    add(given, "offsets", t, {offsets_[t], DType::i32, 1, runner_.batch() + 1, runner_.batch() + 1});
    add(given, "weights", t, {weights_[t], DType::f32, 1, lookups, lookups});
  }
  return given;
}

void OpFixture::expect_intact() {
  memory_.expect_intact();
  const std::vector<Result> now = read_only();
  for (size_t i = 0; i < given_.size(); ++i)
    expect(now[i].words == given_[i].words, "%s, which is only to be read, has changed", given_[i].name.c_str());
}

}  // namespace dlrm::test
