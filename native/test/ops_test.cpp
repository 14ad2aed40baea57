// Known answers: what the harness cannot see, since it compares an op only with itself.
#include <algorithm>
#include <cmath>
#include <vector>

#include "exec/op_runner.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

class Call {
 public:
  Call(const std::string& op, int64_t batch, const Attrs& attrs, const std::vector<std::vector<float>>& inputs,
       const std::vector<std::vector<float>>& params = {})
      : runner_(op, make_args(batch, attrs, inputs), batch) {
    const auto fill = [this](Slot slot, const std::vector<std::vector<float>>& values) {
      for (size_t i = 0; i < values.size(); ++i) std::copy(values[i].begin(), values[i].end(), runner_.view(slot, i).f32());
    };
    fill(Slot::in, inputs);
    fill(Slot::params, params);
    runner_.prepare();
    runner_.forward();
  }
  void backward(const std::vector<float>& dout) {
    std::copy(dout.begin(), dout.end(), runner_.view(Slot::dout, 0).f32());
    runner_.backward();
  }
  void expect_view(Slot slot, size_t i, const std::vector<double>& want, double tolerance = 2e-7) {
    const View& view = runner_.view(slot, i);
    expect(view.rows * view.cols == static_cast<int64_t>(want.size()), "%lld numbers, expected %zu",
           static_cast<long long>(view.rows * view.cols), want.size());
    for (size_t k = 0; k < want.size(); ++k)
      expect(std::fabs(view.f32()[k] - want[k]) <= tolerance * std::max(1.0, std::fabs(want[k])), "[%zu] = %.9g, expected %.9g", k,
             view.f32()[k], want[k]);
  }

 private:
  static MakeArgs make_args(int64_t batch, const Attrs& attrs, const std::vector<std::vector<float>>& inputs) {
    MakeArgs args{nullptr, "node", attrs, {}, Isa::scalar};
    for (const auto& input : inputs) args.inputs.push_back({kPerExample, static_cast<int64_t>(input.size()) / batch});
    return args;
  }

  OpRunner runner_;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double cross_entropy(double p, double y) { return -(y * std::log(p) + (1 - y) * std::log(1 - p)); }

const std::vector<float> kLogits = {-2.5f, 0.25f, 4, 1, 0}, kLabels = {0, 1, 0.25f, 1, 0.5f};

TEST(bce_loss_is_the_mean_cross_entropy) {
  Call call("bce_loss", 5, {}, {kLogits, kLabels});
  double mean = 0;
  std::vector<double> slopes;
  for (size_t b = 0; b < 5; ++b) {
    mean += cross_entropy(sigmoid(kLogits[b]), kLabels[b]) / 5;
    slopes.push_back(3 * (sigmoid(kLogits[b]) - kLabels[b]) / 5);
  }
  call.expect_view(Slot::out, 0, {mean});
  call.backward({3});
  call.expect_view(Slot::din, 0, slopes);
}

TEST(bce_loss_of_extreme_logits) {
  Call call("bce_loss", 4, {}, {{1000, -1000, 1000, -1000}, {1, 0, 0, 1}});
  call.expect_view(Slot::out, 0, {500});
  call.backward({1});
  call.expect_view(Slot::din, 0, {0, 0, 0.25, -0.25});
}

// Weights by the label truncated to an integer: 0.25 and 0.5 are of class 0. The mean is over B, not over the weights.
TEST(bce_loss_weights_classes) {
  const std::vector<double> weights = {0.5, 3};
  Call call("bce_loss", 5, {{"class_weights", weights}}, {kLogits, kLabels});
  double mean = 0;
  std::vector<double> slopes;
  for (size_t b = 0; b < 5; ++b) {
    const double w = kLabels[b] == 1 ? 3 : 0.5;
    mean += w * cross_entropy(sigmoid(kLogits[b]), kLabels[b]) / 5;
    slopes.push_back(w * (sigmoid(kLogits[b]) - kLabels[b]) / 5);
  }
  call.expect_view(Slot::out, 0, {mean});
  call.backward({1});
  call.expect_view(Slot::din, 0, slopes);
}

TEST(bce_loss_clamps_probabilities) {
  Call call("bce_loss", 5, {{"threshold", 0.1}}, {kLogits, kLabels});
  double mean = 0;
  std::vector<double> slopes;
  for (size_t b = 0; b < 5; ++b) {
    const double p = sigmoid(kLogits[b]), q = std::min(std::max(p, 0.1), 0.9);
    mean += cross_entropy(q, kLabels[b]) / 5;
    slopes.push_back(p == q ? (p - kLabels[b]) / 5 : 0);
  }
  call.expect_view(Slot::out, 0, {mean});
  call.backward({1});
  call.expect_view(Slot::din, 0, slopes);
}

TEST(mse_loss_is_the_mean_square) {
  Call call("mse_loss", 3, {}, {{0.5f, 1, 0.25f}, {0, 1, 1}});
  call.expect_view(Slot::out, 0, {(0.25 + 0 + 0.5625) / 3});
  call.backward({2});
  call.expect_view(Slot::din, 0, {2.0 / 3, 0, -1});
}

TEST(sigmoid_known_answers) {
  Call call("sigmoid", 2, {}, {{0, 100, -100, 2, -3, 0.5f}});
  call.expect_view(Slot::out, 0, {0.5, 1, sigmoid(-100), sigmoid(2), sigmoid(-3), sigmoid(0.5)});
  Call clamped("sigmoid", 2, {{"threshold", 0.25}}, {{0, 100, -100, 0.5f}});
  clamped.expect_view(Slot::out, 0, {0.5, 0.75, 0.25, sigmoid(0.5)});
  clamped.backward({1, 1, 1, 2});
  clamped.expect_view(Slot::din, 0, {0.25, 0, 0, 2 * sigmoid(0.5) * sigmoid(-0.5)});
}

TEST(concat_known_answers) {
  Call call("concat", 2, {}, {{1, 2, 3, 4}, {5, 6}, {7, 8}});
  call.expect_view(Slot::out, 0, {1, 2, 5, 7, 3, 4, 6, 8});
  call.backward({1, 2, 3, 4, 5, 6, 7, 8});
  call.expect_view(Slot::din, 0, {1, 2, 5, 6});
  call.expect_view(Slot::din, 2, {4, 8});
}

// x1 = x0 (x0 . w0) + b0 + x0 and x2 = x0 (x1 . w1) + b1 + x1, by hand.
TEST(cross_known_answers) {
  Call call("cross", 1, {{"layers", 2.0}}, {{1, 2}}, {{3, -1}, {10, 20}, {0.5f, 1}, {0, 7}});
  call.expect_view(Slot::out, 0, {12 + 30, 24 + 7 + 60});
}

// x = (1,2), e1 = (3,5), e2 = (7,11), in the reference's order: (1,0), (2,0), (2,1).
TEST(interaction_dot_known_answers) {
  const std::vector<std::vector<float>> inputs = {{1, 2}, {3, 5, 7, 11}};
  Call call("interaction_dot", 1, {}, inputs);
  call.expect_view(Slot::out, 0, {1, 2, 13, 29, 76});
  call.backward({10, 20, 1, 2, 3});
  call.expect_view(Slot::din, 0, {10 + 3 + 14, 20 + 5 + 22});
  call.expect_view(Slot::din, 1, {1 + 21, 2 + 33, 2 + 9, 4 + 15});
  Call itself("interaction_dot", 1, {{"itself", true}}, inputs);
  itself.expect_view(Slot::out, 0, {1, 2, 5, 13, 34, 29, 76, 170});
  Call bare("interaction_dot", 1, {{"width", 2.0}}, {inputs[1]});
  bare.expect_view(Slot::out, 0, {76});
}

}  // namespace
}  // namespace dlrm::test
