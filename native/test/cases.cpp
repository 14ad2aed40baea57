// The cases of every op, ops in alphabetical order. Adding an op is adding its lines here: shapes that hurt (one example,
// widths around the vector lengths, empty bags, repeated rows) and the shapes and options it must refuse.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

const std::vector<int64_t> kWidths = {1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127};

std::string numbered(const char* what, int64_t n) { return what + std::to_string(n); }

Input labels() { return no_gradient(matrix(1, 0, 1)); }

Input classes() {
  Input input = no_gradient(matrix(1, 0, 2));
  input.whole = true;
  return input;
}

void bce_loss(std::vector<OpCase>& cases) {
  const std::vector<double> weights = {0.3, 2.5};
  std::vector<OpCase> more = {
      {"bce_loss", "classes", {}, {matrix(1, -3, 3), classes()}},
      {"bce_loss", "soft_labels", {}, {matrix(1, -3, 3), labels()}},
      {"bce_loss", "large_logits", {}, {matrix(1, -200, 200), classes()}},
      {"bce_loss", "clamped", {{"threshold", 0.2}}, {matrix(1, -3, 3), classes()}},
      {"bce_loss", "clamped_to_one_value", {{"threshold", 0.7}}, {matrix(1, -3, 3), classes()}},
      {"bce_loss", "weighted", {{"class_weights", weights}, {"threshold", 1e-3}}, {matrix(1, -9, 9), classes()}},
  };
  for (OpCase& c : more) {
    c.batches = {1, 3, 130, 1300};
    cases.push_back(c);
  }
}

void bce_loss(std::vector<ErrorCase>& cases) {
  const std::vector<Input> inputs = {matrix(1), labels()};
  for (const double threshold : {-0.1, 1.0, std::nan("")})
    cases.push_back({"bce_loss", "threshold", {{"threshold", threshold}}, inputs, Code::argument, "threshold"});
  for (const std::vector<double>& weights : std::vector<std::vector<double>>{{1}, {1, 2, 3}, {1, -1}, {1, INFINITY}})
    cases.push_back({"bce_loss", "class_weights", {{"class_weights", weights}}, inputs, Code::argument, "class_weights"});
  cases.push_back({"bce_loss", "wide_logits", {}, {matrix(2), labels()}, Code::shape, "expected 1 columns, received 2"});
  cases.push_back({"bce_loss", "wide_labels", {}, {matrix(1), matrix(2)}, Code::shape, "expected 1 columns, received 2"});
}

void concat(std::vector<OpCase>& cases) {
  cases.push_back({"concat", "one", {}, {matrix(7)}});
  cases.push_back({"concat", "three", {}, {matrix(1), matrix(64), matrix(17)}});
  cases.push_back({"concat", "with_nothing", {}, {matrix(5), matrix(0), matrix(3)}});
  std::vector<Input> many;
  for (const int64_t width : kWidths) many.push_back(matrix(width));
  cases.push_back({"concat", "many", {}, many});
}

void concat(std::vector<ErrorCase>& cases) {
  cases.push_back({"concat", "nothing", {}, {}, Code::shape, "at least one input"});
  cases.push_back({"concat", "bags", {}, {matrix(1), bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void interaction_dot(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    const int64_t tables = width % 5 + 1;
    cases.push_back({"interaction_dot", numbered("width_", width), {}, {matrix(width), matrix(tables * width)}, width + tables});
  }
  for (const int64_t tables : {1, 2, 3, 4, 7, 8, 9, 26, 40}) {
    OpCase itself{"interaction_dot", numbered("itself_tables_", tables), {{"itself", true}}, {matrix(5), matrix(tables * 5)}, 5 + tables};
    OpCase wide{"interaction_dot", numbered("tables_", tables), {{"itself", false}}, {matrix(16), matrix(tables * 16)}, 16 + tables};
    OpCase bare{"interaction_dot", numbered("without_x_tables_", tables), {{"width", 9.0}}, {matrix(tables * 9)}, 9 + tables};
    itself.batches = wide.batches = bare.batches = {1, 3, 34};
    cases.push_back(itself);
    cases.push_back(wide);
    cases.push_back(bare);
    bare.attrs["itself"] = true;
    bare.name += "_itself";
    cases.push_back(bare);
  }
}

void interaction_dot(std::vector<ErrorCase>& cases) {
  cases.push_back({"interaction_dot", "no_multiple", {}, {matrix(4), matrix(10)}, Code::shape, "multiple"});
  cases.push_back({"interaction_dot", "no_width", {}, {matrix(0), matrix(8)}, Code::argument, "width"});
  cases.push_back({"interaction_dot", "no_width_without_x", {}, {matrix(8)}, Code::argument, "width"});
  cases.push_back({"interaction_dot", "odd_width", {{"width", 2.5}}, {matrix(8)}, Code::argument, "width"});
  cases.push_back({"interaction_dot", "other_width", {{"width", 2.0}}, {matrix(4), matrix(8)}, Code::shape, "expected 2 columns"});
  cases.push_back({"interaction_dot", "no_tables", {}, {matrix(4), matrix(0)}, Code::shape, "multiple"});
  cases.push_back({"interaction_dot", "three_inputs", {}, {matrix(4), matrix(8), matrix(8)}, Code::shape, "expected 2 inputs"});
  cases.push_back({"interaction_dot", "bags", {}, {matrix(4), bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

OpCase mlp(const std::string& name, int64_t inputs, std::vector<double> layers, std::string hidden = "relu",
           std::string last = "relu") {
  OpCase c{"mlp", name, {{"layers", layers}, {"activation", hidden}, {"last", last}}, {matrix(inputs)}};
  c.terms = inputs;
  for (const double width : layers) c.terms += static_cast<int64_t>(width);
  return c;
}

void mlp(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    cases.push_back(mlp(numbered("outputs_", width), 5, {static_cast<double>(width)}, "none", "none"));
    cases.push_back(mlp(numbered("inputs_", width), width, {6}, "relu", "none"));
    cases.push_back(mlp(numbered("hidden_", width), 3, {static_cast<double>(width), 4}, "sigmoid", "none"));
  }
  for (const char* hidden : {"relu", "sigmoid", "none"})
    for (const char* last : {"relu", "sigmoid", "none"})
      cases.push_back(mlp(std::string(hidden) + "_" + last, 13, {37, 20, 1}, hidden, last));
  // Rows of every tile, rests of a block, several passes over the batch.
  OpCase rows = mlp("rows", 9, {150, 3}, "relu", "none");
  rows.batches = {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 28, 29};
  OpCase batches = mlp("batches", 5, {18, 2}, "sigmoid", "none");
  batches.batches = {3, 257, 600, 1101};
  // More than one pass over the depth, in both directions.
  OpCase deep = mlp("deep", 3, {1030, 2}, "relu", "none");
  deep.batches = {1, 3, 18};
  const OpCase five = mlp("five", 2, {3, 1, 40, 1, 2}, "sigmoid", "none");
  cases.insert(cases.end(), {rows, batches, deep, mlp("one", 1, {1}), five});
}

void mlp(std::vector<ErrorCase>& cases) {
  const std::vector<double> layers = {4, 1};
  const auto bad = [&cases](const char* name, AttrMap attrs, const char* text) {
    cases.push_back({"mlp", name, std::move(attrs), {matrix(3)}, Code::argument, text});
  };
  bad("no_layers", {}, "at least one width");
  bad("no_width", {{"layers", std::vector<double>{4, 0}}}, "received 0");
  bad("half_width", {{"layers", std::vector<double>{1.5}}}, "received 1.5");
  bad("huge_width", {{"layers", std::vector<double>{1e9}}}, "received 1000000000");
  bad("activation", {{"layers", layers}, {"activation", std::string("gelu")}}, "\"gelu\"");
  bad("last", {{"layers", layers}, {"last", std::string("tanh")}}, "\"tanh\"");
  cases.push_back({"mlp", "no_columns", {{"layers", layers}}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"mlp", "two_inputs", {{"layers", layers}}, {matrix(3), matrix(3)}, Code::shape, "1 inputs"});
  cases.push_back({"mlp", "bags", {{"layers", layers}}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void mse_loss(std::vector<OpCase>& cases) {
  cases.push_back({"mse_loss", "probabilities", {}, {matrix(1, 0, 1), classes()}, 1, {1, 3, 130, 9000}});
  cases.push_back({"mse_loss", "large", {}, {matrix(1, -1e4, 1e4), labels()}});
}

void mse_loss(std::vector<ErrorCase>& cases) {
  cases.push_back({"mse_loss", "wide", {}, {matrix(2), matrix(2)}, Code::shape, "expected 1 columns, received 2"});
  cases.push_back({"mse_loss", "bags", {}, {matrix(1), bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void sigmoid(std::vector<OpCase>& cases) {
  cases.push_back({"sigmoid", "one", {}, {matrix(1, -4, 4)}, 1, {1, 3, 3000}});
  cases.push_back({"sigmoid", "wide", {}, {matrix(127, -4, 4)}});
  cases.push_back({"sigmoid", "large", {}, {matrix(3, -200, 200)}});
  cases.push_back({"sigmoid", "clamped", {{"threshold", 0.1}}, {matrix(3, -4, 4)}});
  cases.push_back({"sigmoid", "clamped_to_one_value", {{"threshold", 0.5}}, {matrix(3, -4, 4)}});
}

void sigmoid(std::vector<ErrorCase>& cases) {
  for (const double threshold : {-0.1, 1.0, std::nan("")})
    cases.push_back({"sigmoid", "threshold", {{"threshold", threshold}}, {matrix(1)}, Code::argument, "threshold"});
}

}  // namespace

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  bce_loss(cases);
  concat(cases);
  interaction_dot(cases);
  mlp(cases);
  mse_loss(cases);
  sigmoid(cases);
  return cases;
}

std::vector<ErrorCase> error_cases() {
  std::vector<ErrorCase> cases;
  bce_loss(cases);
  concat(cases);
  interaction_dot(cases);
  mlp(cases);
  mse_loss(cases);
  sigmoid(cases);
  return cases;
}

}  // namespace dlrm::test
