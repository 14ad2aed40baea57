// The cases of ops over the fields' vectors, and of those that work element by element.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

void add(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    std::vector<Input> inputs(static_cast<size_t>(width % 4 + 1), matrix(width));
    cases.push_back({"add", numbered("width_", width), {}, inputs, 4});
  }
  cases.push_back({"add", "large", {}, {matrix(127), matrix(127)}, 1, {3, 300}});
}

void add(std::vector<ErrorCase>& cases) {
  cases.push_back({"add", "nothing", {}, {}, Code::shape, "at least one input"});
  cases.push_back({"add", "other_width", {}, {matrix(3), matrix(4)}, Code::shape, "expected 3 columns, received 4"});
  cases.push_back({"add", "bags", {}, {matrix(1), bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

AttrMap width_of(int64_t width) { return {{"width", static_cast<double>(width)}}; }

// What every op over fields refuses.
void fields(const std::string& op, std::vector<ErrorCase>& cases) {
  for (const double width : {0.0, -1.0, 2.5, 1e9, std::nan("")})
    cases.push_back({op, "width", {{"width", width}}, {matrix(8)}, Code::argument, "width: expected an integer"});
  cases.push_back({op, "no_width", {}, {matrix(8)}, Code::argument, "width"});
  cases.push_back({op, "no_multiple", width_of(3), {matrix(8)}, Code::shape, "received 8"});
  cases.push_back({op, "no_fields", width_of(3), {matrix(0)}, Code::shape, "received 0"});
  cases.push_back({op, "two_inputs", width_of(4), {matrix(8), matrix(8)}, Code::shape, "expected 1 inputs"});
  cases.push_back({op, "bags", width_of(4), {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void fm_pair(std::vector<OpCase>& cases) {
  for (const bool vector : {false, true}) {
    const auto add = [&](const std::string& name, int64_t fields, int64_t width, std::vector<int64_t> batches) {
      OpCase c{"fm_pair", (vector ? "vector_" : "") + name, width_of(width), {matrix(fields * width)}, fields * width};
      c.attrs["vector"] = vector;
      c.batches = std::move(batches);
      cases.push_back(c);
    };
    for (const int64_t width : kWidths) add(numbered("width_", width), width % 6 + 2, width, {1, 3, 34});
    for (const int64_t fields : {1, 2, 3, 10, 40}) add(numbered("fields_", fields), fields, 10, {1, 3, 130});
  }
}

void fm_pair(std::vector<ErrorCase>& cases) { fields("fm_pair", cases); }

void cases(std::vector<OpCase>& cases) {
  add(cases);
  fm_pair(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  add(cases);
  fm_pair(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
