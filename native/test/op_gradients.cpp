#include "test/op_gradients.h"

#include <algorithm>
#include <cmath>

#include "test/op_fixture.h"
#include "test/sanitizer.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

constexpr double kEps = 0x1p-23;
constexpr int kElements = kAddressSanitizer ? 2 : 24;  // tried per tensor

struct Tensor {
  std::string name;
  float* values;
  int64_t rows, cols, stride;
  std::vector<float> gradient;  // rows x cols
};

class Differences {
 public:
  Differences(OpFixture& fixture, double terms) : fixture_(fixture), terms_(terms) {
    for (size_t i = 0; i < fixture.runner().count(Slot::dout); ++i) {
      const View& dout = fixture.runner().view(Slot::dout, i);
      for (int64_t r = 0; r < dout.rows; ++r) weights_.insert(weights_.end(), dout.row(r), dout.row(r) + dout.cols);
    }
  }

  // Steps of several sizes: a small one does not cross a kink (relu, max, clamp), a large one drowns the rounding.
  void check(const Tensor& t, int64_t element) {
    float* x = t.values + element / t.cols * t.stride + element % t.cols;
    const double gradient = t.gradient[static_cast<size_t>(element)];
    double largest = 0;
    for (const float g : t.gradient) largest = std::max(largest, std::fabs(static_cast<double>(g)));
    std::string tried;
    for (const double h : {0x1p-6, 0x1p-8, 0x1p-10}) {
      double magnitude = 0;
      const double difference = central(x, h, &magnitude);
      const double tolerance = kEps * terms_ * magnitude / h + 8 * h * h * largest + kEps * terms_ * largest;
      if (std::fabs(difference - gradient) <= tolerance) return;
      char text[96];
      snprintf(text, sizeof text, " %.7g (h %.3g, tolerance %.3g)", difference, h, tolerance);
      tried += text;
    }
    expect(false, "%s[%lld]: gradient %.7g, differences%s", t.name.c_str(), static_cast<long long>(element), gradient,
           tried.c_str());
  }

 private:
  std::vector<float> outputs() {
    fixture_.forward();
    std::vector<float> all;
    for (size_t i = 0; i < fixture_.runner().count(Slot::out); ++i) {
      const View& out = fixture_.runner().view(Slot::out, i);
      for (int64_t r = 0; r < out.rows; ++r) all.insert(all.end(), out.row(r), out.row(r) + out.cols);
    }
    return all;
  }

  // Outputs that x does not reach cancel exactly; `magnitude` sums those that it does reach.
  double central(float* x, double h, double* magnitude) {
    const float before = *x;
    const float up = static_cast<float>(before + h), down = static_cast<float>(before - h);
    *x = up;
    const std::vector<float> plus = outputs();
    *x = down;
    const std::vector<float> minus = outputs();
    *x = before;
    double sum = 0;
    for (size_t i = 0; i < plus.size(); ++i) {
      if (plus[i] == minus[i]) continue;
      sum += static_cast<double>(weights_[i]) * (static_cast<double>(plus[i]) - minus[i]);
      *magnitude += std::fabs(static_cast<double>(weights_[i]) * plus[i]);
    }
    return sum / (static_cast<double>(up) - down);
  }

  OpFixture& fixture_;
  double terms_;
  std::vector<float> weights_;
};

std::vector<float> flat(const View& view) {
  std::vector<float> values;
  for (int64_t r = 0; r < view.rows; ++r) values.insert(values.end(), view.row(r), view.row(r) + view.cols);
  return values;
}

// The gradient of tables, as plain SGD with rate -1 adds it to tables of zeros. Those of other types than float32 are too
// coarse for differences.
void add_sparse(OpFixture& fixture, const OpCase& c, const SparseUpdate& update, std::vector<Tensor>& tensors) {
  OpRunner& runner = fixture.runner();
  if (runner.op().params[static_cast<size_t>(update.params[0])].dtype != DType::f32) return;
  MakeArgs args = sparse_update_args(runner.op(), update, value_spec(c.inputs[0]), {{"rule", std::string("sgd")}});
  args.name = "update";
  const size_t scales = update.scale_params.size();
  OpRunner sgd("embedding_update", args, runner.batch());
  const int64_t lookups = fixture.bags()->total_lookups(), cols = runner.op().dlookup_cols;
  const bool per_lookup = update.gradient == SparseUpdate::per_lookup;
  sgd.bind_bags(0, *fixture.bags());
  sgd.bind(Slot::in, 1, per_lookup ? View{runner.dlookup(), DType::f32, lookups, cols, cols} : runner.view(Slot::dout, 0));
  if (update.reads_positions()) sgd.bind(Slot::in, 2, runner.view(Slot::saved, 0));
  for (size_t t = 0; t < scales; ++t)
    sgd.bind(Slot::params, scales + t, runner.view(Slot::params, static_cast<size_t>(update.scale_params[t])));
  sgd.set_step(-1, 1);
  sgd.forward();
  for (size_t t = 0; t < update.params.size(); ++t) {
    const View& table = runner.view(Slot::params, static_cast<size_t>(update.params[t]));
    tensors.push_back({runner.op().params[static_cast<size_t>(update.params[t])].name, table.f32(), table.rows, table.cols, table.stride, flat(sgd.view(Slot::params, t))});
  }
}

std::vector<Tensor> differentiable_tensors(OpFixture& fixture, const OpCase& c) {
  OpRunner& runner = fixture.runner();
  std::vector<Tensor> tensors;
  for (const Slot slot : {Slot::in, Slot::params}) {
    const Slot gradients = slot == Slot::in ? Slot::din : Slot::dparams;
    for (size_t i = 0; i < runner.count(slot); ++i) {
      const View &view = runner.view(slot, i), &gradient = runner.view(gradients, i);
      const std::string name = slot == Slot::in ? "input " + std::to_string(i) : runner.op().params[i].name;
      if (gradient) tensors.push_back({name, view.f32(), view.rows, view.cols, view.stride, flat(gradient)});
    }
  }
  for (const SparseUpdate& update : runner.op().sparse_updates) add_sparse(fixture, c, update, tensors);
  // Where tables are updated by it, it is no gradient of weights.
  const auto& updates = runner.op().sparse_updates;
  const bool of_rows = std::any_of(updates.begin(), updates.end(), [](const SparseUpdate& u) { return u.gradient == SparseUpdate::per_lookup; });
  const float* dlookup = of_rows ? nullptr : runner.dlookup();
  for (int64_t t = 0; dlookup && t < fixture.bags()->tables; ++t) {
    const int64_t lookups = fixture.bags()->lookups(t);
    if (fixture.lookup_weights(t))
      tensors.push_back({"lookup weights " + std::to_string(t), fixture.lookup_weights(t), 1, lookups, lookups,
                         std::vector<float>(dlookup, dlookup + lookups)});
    dlookup += lookups;
  }
  return tensors;
}

}  // namespace

void check_gradients(const OpCase& c) {
  const bool whole_batch = std::find(c.batches.begin(), c.batches.end(), 3) == c.batches.end();
  OpFixture fixture(c, whole_batch ? c.batches[0] : 3, Isa::scalar);
  set_context("gradients");
  fixture.forward();
  fixture.runner().backward();
  const std::vector<Tensor> tensors = differentiable_tensors(fixture, c);
  Differences differences(fixture, static_cast<double>(c.terms + 8));
  for (const Tensor& tensor : tensors) {
    const int64_t total = tensor.rows * tensor.cols;
    const int64_t step = std::max<int64_t>(1, total / kElements) | 1;  // odd: visits all columns of even widths
    for (int64_t i = 0; i < total; i += step) differences.check(tensor, i);
  }
}

}  // namespace dlrm::test
