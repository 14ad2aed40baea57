// Cases of what stands between the layers of a tower: normalisation, activations, dropout.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

const char* const kFused[] = {"none", "relu", "sigmoid", "tanh"};

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

void cases(std::vector<OpCase>& cases) {
  batch_norm(cases);
  dropout(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  batch_norm(cases);
  dropout(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
