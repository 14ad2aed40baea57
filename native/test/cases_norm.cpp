// Cases of what stands between the layers of a tower: normalisation, activations, dropout.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

const char* const kFused[] = {"none", "relu", "sigmoid", "tanh"};

void activation(std::vector<OpCase>& cases) {
  for (const char* kind : {"relu", "prelu", "gelu", "sigmoid", "tanh"}) {
    const AttrMap attrs = {{"kind", std::string(kind)}};
    cases.push_back({"activation", kind, attrs, {matrix(17, -4, 4)}, 1, {0, 1, 3, 65, 200}});
    cases.push_back({"activation", kind + "_wide"s, attrs, {matrix(127, -4, 4)}});
    cases.push_back({"activation", kind + "_one"s, attrs, {matrix(1, -0.1f, 0.1f)}});
    cases.push_back({"activation", kind + "_large"s, attrs, {matrix(3, -200, 200)}});
  }
  cases.push_back({"activation", "prelu_init", {{"kind", "prelu"s}, {"init", "uniform"s}, {"init_scale", 1.0}}, {matrix(9)}});
}

void activation(std::vector<ErrorCase>& cases) {
  cases.push_back({"activation", "kind", {{"kind", "swish"s}}, {matrix(3)}, Code::argument, "received \"swish\""});
  cases.push_back({"activation", "no_columns", {}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"activation", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

// Each activation with and without dropout, in training and out of it.
void fused(std::vector<OpCase>& cases, OpCase c) {
  for (const char* activation : kFused)
    for (const double rate : {0.0, 0.3})
      for (const bool training : {true, false}) {
        OpCase each = c;
        each.attrs["activation"] = std::string(activation);
        each.attrs["dropout"] = rate;
        each.training = training;
        each.name = activation + (rate > 0 ? "_dropout"s : ""s) + (training ? "" : "_predict");
        cases.push_back(each);
      }
}

void fused_options(std::vector<ErrorCase>& cases, const std::string& op) {
  cases.push_back({op, "activation", {{"activation", "gelu"s}}, {matrix(3)}, Code::argument, "expected relu, sigmoid, tanh or none"});
  cases.push_back({op, "dropout", {{"dropout", 1.0}}, {matrix(3)}, Code::argument, "dropout: expected a number in [0, 1)"});
  for (const double eps : {0.0, -1.0, std::nan("")})
    cases.push_back({op, "eps", {{"eps", eps}}, {matrix(3)}, Code::argument, "eps: expected a number > 0"});
  cases.push_back({op, "no_columns", {}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({op, "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

// Deviations of three examples may be small: divided by them, errors grow.
constexpr int64_t kNormTerms = 300;

void batch_norm(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths)
    cases.push_back({"batch_norm", numbered("width_", width), {}, {matrix(width, -3, 3)}, kNormTerms, {1, 3, 33, 130}});
  fused(cases, {"batch_norm", "", {}, {matrix(21, -3, 3)}, kNormTerms, {1, 3, 33, 200}});
  OpCase options{"batch_norm", "options", {{"eps", 0.1}, {"momentum", 0.4}, {"init", "normal"s}, {"init_scale", 1.0}}, {matrix(140, -3, 3)}, kNormTerms};
  options.batches = {0, 1, 3, 4, 5, 63, 64, 65, 700};
  cases.push_back(options);
  // Means far from 0 must not eat up the variance.
  cases.push_back({"batch_norm", "far", {}, {matrix(9, 1000, 1006)}, 100 * kNormTerms, {3, 300}});
}

void batch_norm(std::vector<ErrorCase>& cases) {
  fused_options(cases, "batch_norm");
  for (const double momentum : {-0.1, 1.1, std::nan("")})
    cases.push_back({"batch_norm", "momentum", {{"momentum", momentum}}, {matrix(3)}, Code::argument, "momentum: expected a number in [0, 1]"});
}

void dropout(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) cases.push_back({"dropout", numbered("width_", width), {{"rate", 0.4}}, {matrix(width)}});
  cases.push_back({"dropout", "groups", {{"rate", 0.1}}, {matrix(200)}, 1, {1, 3, 300}});
  cases.push_back({"dropout", "nothing", {}, {matrix(20)}});
  cases.push_back({"dropout", "nearly_all", {{"rate", 0.9999}}, {matrix(20)}});
  OpCase predict{"dropout", "predict", {{"rate", 0.4}}, {matrix(20)}};
  predict.training = false;
  cases.push_back(predict);
}

void dropout(std::vector<ErrorCase>& cases) {
  for (const double rate : {-0.1, 1.0, std::nan("")})
    cases.push_back({"dropout", "rate", {{"rate", rate}}, {matrix(3)}, Code::argument, "rate: expected a number in [0, 1)"});
  cases.push_back({"dropout", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void layer_norm(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths)
    cases.push_back({"layer_norm", numbered("width_", width), {}, {matrix(width, -3, 3)}, kNormTerms + width});
  fused(cases, {"layer_norm", "", {}, {matrix(21, -3, 3)}, kNormTerms, {1, 3, 33, 200}});
  for (const bool variance_only : {false, true})
    for (const int64_t width : {1, 4, 8, 10, 19}) {
      OpCase c{"layer_norm", numbered("groups_of_", width), {{"groups", 5.0}, {"variance_only", variance_only}}, {matrix(5 * width, -3, 3)}};
      if (variance_only) c.name += "_variance_only";
      c.terms = kNormTerms;
      c.batches = {0, 1, 3, 64, 65, 130};
      cases.push_back(c);
      c.attrs["dropout"] = 0.3;
      c.attrs["activation"] = "relu"s;
      c.name += "_dropout";
      cases.push_back(c);
    }
  for (const int64_t groups : {1, 2, 31}) {
    OpCase wide{"layer_norm", numbered("spans_", groups), {{"groups", static_cast<double>(groups)}, {"dropout", 0.3}}, {matrix(groups * 40, -3, 3)}};
    wide.terms = kNormTerms;
    cases.push_back(wide);
    wide.inputs = {matrix(groups * 100, -3, 3)};
    wide.name += "_wide";
    cases.push_back(wide);
  }
  cases.push_back({"layer_norm", "options", {{"eps", 0.1}, {"init", "normal"s}, {"init_scale", 1.0}}, {matrix(40, -3, 3)}, kNormTerms});
  cases.push_back({"layer_norm", "far", {}, {matrix(90, 1000, 1006)}, 100 * kNormTerms});
}

void layer_norm(std::vector<ErrorCase>& cases) {
  fused_options(cases, "layer_norm");
  for (const double groups : {0.0, -1.0, 1.5, std::nan("")})
    cases.push_back({"layer_norm", "groups", {{"groups", groups}}, {matrix(4)}, Code::argument, "groups: expected an integer >= 1"});
  cases.push_back({"layer_norm", "no_multiple", {{"groups", 3.0}}, {matrix(4)}, Code::shape, "multiple of groups = 3"});
}

void cases(std::vector<OpCase>& cases) {
  activation(cases);
  batch_norm(cases);
  dropout(cases);
  layer_norm(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  activation(cases);
  batch_norm(cases);
  dropout(cases);
  layer_norm(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
