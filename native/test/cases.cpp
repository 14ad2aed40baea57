// The cases of every op, ops in alphabetical order. Adding an op is adding its lines here: shapes that hurt (one example,
// widths around the vector lengths, empty bags, repeated rows) and the shapes and options it must refuse.
#include "test/op_case.h"

namespace dlrm::test {
namespace {

const std::vector<int64_t> kWidths = {1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127};

std::string numbered(const char* what, int64_t n) { return what + std::to_string(n); }

void interaction_dot(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    const int64_t tables = width % 5 + 1;
    cases.push_back({"interaction_dot", numbered("width_", width), {}, {matrix(width), matrix(tables * width)}, width + tables});
  }
  for (const int64_t tables : {1, 2, 3, 4, 7, 8, 9, 26, 40}) {
    OpCase itself{"interaction_dot", numbered("itself_tables_", tables), {{"itself", true}}, {matrix(5), matrix(tables * 5)}, 5 + tables};
    OpCase wide{"interaction_dot", numbered("tables_", tables), {{"itself", false}}, {matrix(16), matrix(tables * 16)}, 16 + tables};
    itself.batches = wide.batches = {1, 3, 34};
    cases.push_back(itself);
    cases.push_back(wide);
  }
}

void interaction_dot(std::vector<ErrorCase>& cases) {
  cases.push_back({"interaction_dot", "no_multiple", {}, {matrix(4), matrix(10)}, Code::shape, "multiple"});
  cases.push_back({"interaction_dot", "no_width", {}, {matrix(0), matrix(8)}, Code::shape, "multiple"});
  cases.push_back({"interaction_dot", "no_tables", {}, {matrix(4), matrix(0)}, Code::shape, "multiple"});
  cases.push_back({"interaction_dot", "three_inputs", {}, {matrix(4), matrix(8), matrix(8)}, Code::shape, "expected 2 inputs"});
  cases.push_back({"interaction_dot", "bags", {}, {matrix(4), bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

}  // namespace

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  interaction_dot(cases);
  return cases;
}

std::vector<ErrorCase> error_cases() {
  std::vector<ErrorCase> cases;
  interaction_dot(cases);
  return cases;
}

}  // namespace dlrm::test
