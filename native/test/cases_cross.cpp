// Cases of the ops that multiply features into each other: cross.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

OpCase cross(const std::string& name, int64_t cols, int64_t layers) {
  OpCase c{"cross", name, {{"layers", static_cast<double>(layers)}}, {matrix(cols)}};
  c.terms = 2 * layers * cols;
  return c;
}

void cross(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) cases.push_back(cross(numbered("width_", width), width, width % 4 + 1));
  for (const int64_t layers : {5, 6, 8}) cases.push_back(cross(numbered("layers_", layers), 20, layers));
  OpCase batches = cross("batches", 100, 3);
  batches.batches = {0, 1, 3, 15, 16, 17, 127, 128, 129, 300, 1000};
  OpCase many = cross("many", 3, 2);
  many.batches = {3, 8191, 8193, 20000};
  OpCase init = cross("init", 7, 2);
  init.attrs["init"] = "normal"s;
  init.attrs["init_scale"] = 0.5;
  cases.insert(cases.end(), {batches, many, init});
}

void cross(std::vector<ErrorCase>& cases) {
  for (const double layers : {0.0, -1.0, 1.5, 65.0, std::nan("")})
    cases.push_back({"cross", "layers", {{"layers", layers}}, {matrix(3)}, Code::argument, "layers: expected an integer from 1 to 64"});
  cases.push_back({"cross", "init", {{"init", "xavier"s}}, {matrix(3)}, Code::argument, "uniform, normal or constant"});
  cases.push_back({"cross", "no_columns", {}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"cross", "two_inputs", {}, {matrix(3), matrix(3)}, Code::shape, "expected 1 inputs"});
  cases.push_back({"cross", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void cases(std::vector<OpCase>& cases) { cross(cases); }

void errors(std::vector<ErrorCase>& cases) { cross(cases); }

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
