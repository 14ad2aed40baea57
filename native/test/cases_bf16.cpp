// Ops with precision bf16. What they compute is held against float64 with explicit rounding in bf16_test.cpp.
#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

OpCase mlp(const std::string& name, int64_t inputs, std::vector<double> layers, std::string hidden = "relu",
           std::string last = "none") {
  OpCase c{"mlp", "bf16_" + name, {{"layers", layers}, {"activation", hidden}, {"last", last}, {"precision", "bf16"s}}, {matrix(inputs)}};
  c.terms = inputs;
  for (const double width : layers) c.terms += static_cast<int64_t>(width);
  c.bf16 = true;
  // What a single layer rounds is given, but for the slope at its output.
  c.roundings = layers.size() == 1 && last == "none" ? 0 : static_cast<int>(layers.size());
  return c;
}

void mlp(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    cases.push_back(mlp(numbered("outputs_", width), 5, {static_cast<double>(width)}));
    cases.push_back(mlp(numbered("inputs_", width), width, {6}, "relu", "sigmoid"));
    cases.push_back(mlp(numbered("hidden_", width), 3, {static_cast<double>(width), 4}, "sigmoid"));
  }
  for (const char* hidden : {"relu", "sigmoid", "tanh", "none"})
    for (const char* last : {"relu", "sigmoid", "tanh", "none"})
      cases.push_back(mlp(std::string(hidden) + "_" + last, 13, {37, 20, 1}, hidden, last));
  // Rows of every tile, rests of a cell, a block of two cells, several passes over the batch.
  OpCase rows = mlp("rows", 9, {150, 3});
  rows.batches = {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 28, 29, 31, 32, 33};
  OpCase batches = mlp("batches", 5, {18, 2}, "sigmoid");
  batches.batches = {3, 257, 600, 1101};
  OpCase deep = mlp("deep", 3, {1030, 2});
  deep.batches = {1, 3, 18};
  OpCase plain = mlp("without_bias", 5, {7, 9, 2});
  plain.attrs["bias"] = false;
  cases.insert(cases.end(), {rows, batches, deep, mlp("one", 1, {1}), mlp("five", 2, {3, 1, 40, 1, 2}, "sigmoid"), plain});
}

void interaction_dot(std::vector<OpCase>& cases) {
  const auto add = [&cases](const std::string& name, int64_t width, int64_t tables, bool dense, bool itself) {
    OpCase c{"interaction_dot", "bf16_" + name, {{"width", static_cast<double>(width)}, {"itself", itself}, {"precision", "bf16"s}}, {}};
    if (dense) c.inputs.push_back(matrix(width));
    c.inputs.push_back(matrix(tables * width));
    c.terms = width + tables;
    c.bf16 = true;
    cases.push_back(c);
  };
  for (const int64_t width : kWidths) add(numbered("width_", width), width, width % 5 + 1, true, false);
  for (const int64_t tables : {1, 2, 8, 26, 40}) {
    add(numbered("tables_", tables), 16, tables, true, true);
    add(numbered("without_x_", tables), 9, tables, false, false);
  }
  for (const int64_t width : {64, 128}) add(numbered("criteo_", width), width, 26, true, false);
}

void cases(std::vector<OpCase>& cases) {
  interaction_dot(cases);
  mlp(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  const AttrMap half{{"layers", std::vector<double>{4, 1}}, {"precision", "fp16"s}};
  cases.push_back({"mlp", "precision", half, {matrix(3)}, Code::argument, "precision: expected fp32 or bf16, received \"fp16\""});
  const AttrMap eight{{"precision", "fp8"s}};
  cases.push_back({"interaction_dot", "precision", eight, {matrix(3), matrix(6)}, Code::argument, "precision: expected fp32 or bf16"});
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
