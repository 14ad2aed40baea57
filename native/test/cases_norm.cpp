// Cases of what stands between the layers of a tower: normalisation, activations, dropout.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

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

void cases(std::vector<OpCase>& cases) { dropout(cases); }

void errors(std::vector<ErrorCase>& cases) { dropout(cases); }

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
