// The cases of the ops of DLRM itself, in alphabetical order; cases_*.cpp have the others. Adding an op is adding its lines to one
// of these files: shapes that hurt (one example, widths around the vector lengths, empty bags, repeated rows) and the shapes and
// options it must refuse.
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

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
      {"bce_loss", "saturates", {{"saturates", true}}, {matrix(1, -3, 3), classes()}},
      {"bce_loss", "saturates_clamped", {{"saturates", true}, {"threshold", 0.2}}, {matrix(1, -3, 3), labels()}},
      {"bce_loss", "example_weights", {{"class_weights", weights}}, {matrix(1, -3, 3), classes(), no_gradient(matrix(1, 0, 5))}},
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
  cases.push_back({"bce_loss", "wide_weights", {}, {matrix(1), labels(), matrix(2)}, Code::shape, "expected 1 columns, received 2"});
  cases.push_back({"bce_loss", "four_inputs", {}, {matrix(1), labels(), matrix(1), matrix(1)}, Code::shape, "expected 2 inputs, received 4"});
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

// One attribute map per rule, with every option away from its default.
std::vector<std::pair<std::string, AttrMap>> rules() {
  return {
      {"sgd", {{"rule", "sgd"s}}},
      {"momentum", {{"rule", "sgd"s}, {"momentum", 0.9}, {"weight_decay", 0.1}}},
      {"adagrad", {{"rule", "adagrad"s}, {"eps", 1e-3}, {"initial_accumulator", 0.1}, {"lr_decay", 0.2}, {"weight_decay", 0.1}}},
      {"rowwise_adagrad", {{"rule", "rowwise_adagrad"s}, {"eps", 1e-3}, {"initial_accumulator", 0.1}, {"lr_decay", 0.2}, {"weight_decay", 0.1}}},
      {"adam", {{"rule", "adam"s}, {"beta1", 0.8}, {"beta2", 0.9}, {"eps", 1e-3}, {"weight_decay", 0.1}}},
      {"adamw", {{"rule", "adam"s}, {"eps", 1e-3}, {"weight_decay", 0.1}, {"decoupled", true}}},
      {"ftrl", {{"rule", "ftrl"s}, {"beta", 0.5}, {"l1", 0.3}, {"l2", 0.1}}},
  };
}

void rules(std::vector<ErrorCase>& cases, const std::string& op, const AttrMap& attrs, const std::vector<Input>& inputs) {
  const std::vector<std::pair<const char*, AttrMap>> bad = {
      {"expected sgd, adagrad, rowwise_adagrad, adam or ftrl", {{"rule", "adamax"s}}},
      {"momentum: expected a number >= 0", {{"rule", "sgd"s}, {"momentum", -0.1}}},
      {"weight_decay", {{"rule", "sgd"s}, {"weight_decay", std::nan("")}}},
      {"initial_accumulator", {{"rule", "adagrad"s}, {"initial_accumulator", -1.0}}},
      {"lr_decay", {{"rule", "rowwise_adagrad"s}, {"lr_decay", -1.0}}},
      {"eps", {{"rule", "adagrad"s}, {"eps", -1e-9}}},
      {"0 <= beta1 < 1", {{"rule", "adam"s}, {"beta1", 1.0}}},
      {"beta: expected a number >= 0", {{"rule", "ftrl"s}, {"beta", -1.0}}},
      {"l1", {{"rule", "ftrl"s}, {"l1", -1.0}}},
      {"l2", {{"rule", "ftrl"s}, {"l2", std::nan("")}}},
      {"weight_decay: no such option", {{"rule", "ftrl"s}, {"weight_decay", 0.1}}},
      {"0 <= beta2 < 1", {{"rule", "adam"s}, {"beta2", -0.5}}},
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    AttrMap all = attrs;
    for (const auto& item : bad[i].second) all[item.first] = item.second;
    cases.push_back({op, "rule_" + std::to_string(i), all, inputs, Code::argument, bad[i].first});
  }
}

std::vector<std::string> names(size_t n) {
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i) names.push_back("t" + std::to_string(i));
  return names;
}

std::vector<double> doubles(const std::vector<int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }

void dense_update(std::vector<OpCase>& cases) {
  const std::vector<int64_t> sizes = {1, 7, 8, 0, 17, 64, 8192, 8195};
  for (const auto& rule : rules()) {
    OpCase c{"dense_update", rule.first, rule.second, {}};
    c.attrs["names"] = names(sizes.size());
    c.attrs["sizes"] = doubles(sizes);
    c.batches = {1};
    c.steps = 3;
    c.gradients = static_cast<int>(sizes.size());
    cases.push_back(c);
    if (rule.first != "adam") continue;
    c.name = "without_gradients";
    c.gradients = 2;
    cases.push_back(c);
  }
}

void dense_update(std::vector<ErrorCase>& cases) {
  const AttrMap attrs = {{"names", names(2)}, {"sizes", doubles({3, 4})}};
  rules(cases, "dense_update", attrs, {});
  AttrMap fewer = attrs, negative = attrs;
  fewer["sizes"] = doubles({3});
  negative["sizes"] = doubles({3, -4});
  cases.push_back({"dense_update", "sizes", fewer, {}, Code::shape, "expected one for each of the 2 names, received 1"});
  cases.push_back({"dense_update", "negative_size", negative, {}, Code::argument, "sizes"});
  cases.push_back({"dense_update", "inputs", attrs, {matrix(1)}, Code::shape, "expected 0 inputs, received 1"});
}

// Tables whose lookups hurt: all of one row, tables of one row, digits of one, two and three passes of the sort.
const std::vector<int64_t> kTableRows = {50, 1, 300, 2, 5000};

AttrMap tables(int64_t width, const std::string& mode, const std::vector<int64_t>& rows = kTableRows) {
  return {{"rows", doubles(rows)}, {"width", static_cast<double>(width)}, {"mode", mode}};
}

struct Style {
  const char* name;
  Input::Style style;
};
const Style kStyles[] = {{"one_hot", Input::one_hot}, {"multi_hot", Input::multi_hot}, {"repeated", Input::repeated}, {"empty", Input::empty}};

void embedding_bag(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& name, const AttrMap& attrs, Input input, std::vector<int64_t> batches) {
    cases.push_back({"embedding_bag", name, attrs, {std::move(input)}, 40, std::move(batches)});
  };
  for (const char* mode : {"sum", "mean", "max"}) {
    for (const int64_t width : kWidths)
      add(mode + numbered("_width_", width), tables(width, mode, {3, 2}), bags({3, 2}, Input::repeated), {1, 3, 34});
    for (const int64_t width : {129, 200, 1030})
      add(mode + numbered("_width_", width), tables(width, mode, {3, 2}), bags({3, 2}, Input::repeated), {3});
    for (const Style& style : kStyles)
      add(mode + ("_"s + style.name), tables(10, mode), bags(kTableRows, style.style), {1, 3, 300});
  }
  for (const int64_t width : {1, 16, 33}) {
    AttrMap learned = tables(width, "sum");
    learned["row_weights"] = "v"s;
    add(numbered("weighted_width_", width), tables(width, "sum"), bags(kTableRows, Input::repeated, true), {1, 3, 130});
    add(numbered("row_weights_width_", width), learned, bags(kTableRows, Input::repeated), {1, 3, 130});
  }
  add("weighted_empty", tables(7, "sum"), bags(kTableRows, Input::empty, true), {1, 3});
  // Bags that many chunks share.
  for (const char* mode : {"sum", "mean", "max", "weights"})
    for (const int64_t width : {5, 40}) {
      const bool weighted = mode == "weights"s;
      add("giant_"s + mode + numbered("_width_", width), tables(width, weighted ? "sum" : mode, {30, 3}),
          bags({30, 3}, Input::giant, weighted), {1, 5});
      cases.back().terms = 30000;
    }
}

void embedding_bag(std::vector<ErrorCase>& cases) {
  const std::vector<Input> inputs = {bags({9, 8}, Input::one_hot)};
  const AttrMap good = tables(4, "sum", {9, 8});
  const auto add = [&](const char* name, const char* attr, const Attrs::Value& value, Code code, const char* text) {
    AttrMap attrs = good;
    attrs[attr] = value;
    cases.push_back({"embedding_bag", name, attrs, inputs, code, text});
  };
  for (const double width : {0.0, -1.0, 2.5, 1e9, std::nan("")})
    add("width", "width", width, Code::argument, "width: expected an integer from 1 to 1048576");
  add("mode", "mode", "median"s, Code::argument, "expected sum, mean or max, received \"median\"");
  add("fewer_rows", "rows", doubles({9}), Code::shape, "each of the 2 columns, received 1");
  add("no_rows", "rows", doubles({9, 0}), Code::argument, "expected 1 to 2147483647, received 0 for table 1");
  add("many_rows", "rows", std::vector<double>{9, 3e9}, Code::argument, "received 3000000000 for table 1");
  AttrMap learned = tables(4, "mean", {9, 8});
  learned["row_weights"] = "v"s;
  cases.push_back({"embedding_bag", "row_weights", learned, inputs, Code::argument, "mode sum only, received mode mean"});
  cases.push_back({"embedding_bag", "matrix", good, {matrix(3)}, Code::shape, "expected bags, received a matrix"});
}

void embedding_update(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& name, AttrMap attrs, const AttrMap& rule, std::vector<Input> inputs) {
    for (const auto& item : rule) attrs[item.first] = item.second;
    attrs["names"] = names(inputs[0].table_rows.size());
    if (std::get<std::string>(attrs["mode"]) == "max") inputs.push_back(positions(inputs[1].cols));
    const int64_t terms = terms_of(inputs[0], 80);
    OpCase c{"embedding_update", name, attrs, std::move(inputs), terms, {1, 3, 60}};
    c.steps = 3;
    cases.push_back(c);
  };
  const auto count = static_cast<int64_t>(kTableRows.size());
  for (const auto& rule : rules()) {
    const std::string name = rule.first + "_";
    const bool whole_list = rule.first == "sgd" || rule.first == "rowwise_adagrad";
    for (const int64_t width : whole_list ? std::vector<int64_t>{1, 7, 8, 15, 16, 17, 32, 33, 64, 128, 1030} : std::vector<int64_t>{3, 32, 33})
      add(name + numbered("width_", width), tables(width, "sum", {50, 3}), rule.second, {bags({50, 3}, Input::repeated), matrix(2 * width)});
    for (const char* mode : {"sum", "mean", "max"})
      for (const Style& style : kStyles)
        if (whole_list || style.style == Input::multi_hot)
          add(name + mode + "_" + style.name, tables(10, mode), rule.second, {bags(kTableRows, style.style), matrix(count * 10)});
    add(name + "weighted", tables(16, "sum"), rule.second, {bags(kTableRows, Input::repeated, true), matrix(count * 16)});
    AttrMap scaled = tables(16, "sum"), lookup = tables(1, "sum");
    scaled["scale_names"] = names(kTableRows.size());
    lookup["per_lookup"] = true;
    add(name + "scaled", scaled, rule.second, {bags(kTableRows, Input::repeated), matrix(count * 16)});
    add(name + "per_lookup", lookup, rule.second, {bags(kTableRows, Input::repeated), per_lookup()});
  }
  // Every row in every step: more chunks of rows than one, rows without lookups before, between and behind the others.
  for (const auto& rule : rules()) {
    AttrMap whole = rule.second;
    whole["lazy"] = false;
    const std::string name = "whole_" + rule.first + "_";
    for (const int64_t width : {1, 3, 10, 16, 33})
      add(name + numbered("width_", width), tables(width, "sum", {5000, 1}), whole, {bags({5000, 1}, Input::multi_hot), matrix(2 * width)});
    for (const char* mode : {"mean", "max"})
      add(name + mode, tables(10, mode), whole, {bags(kTableRows, Input::repeated), matrix(count * 10)});
    AttrMap scaled = tables(16, "sum"), lookup = tables(1, "sum");
    scaled["scale_names"] = names(kTableRows.size());
    lookup["per_lookup"] = true;
    add(name + "scaled", scaled, whole, {bags(kTableRows, Input::repeated), matrix(count * 16)});
    add(name + "per_lookup", lookup, whole, {bags(kTableRows, Input::repeated), per_lookup()});
    add(name + "empty", tables(10, "sum"), whole, {bags(kTableRows, Input::empty), matrix(count * 10)});
  }
  // More lookups than one slice of the sort.
  add("sliced", tables(3, "sum", {70000, 5}), {}, {bags({70000, 5}, Input::multi_hot), matrix(6)});
  cases.back().batches = {6000};
}

void embedding_update(std::vector<ErrorCase>& cases) {
  const std::vector<Input> inputs = {bags({9, 8}, Input::one_hot), matrix(8)};
  AttrMap good = tables(4, "sum", {9, 8});
  good["names"] = names(2);
  rules(cases, "embedding_update", good, inputs);
  const auto add = [&](const char* name, const char* attr, const Attrs::Value& value, Code code, const char* text) {
    AttrMap attrs = good;
    attrs[attr] = value;
    cases.push_back({"embedding_update", name, attrs, inputs, code, text});
  };
  add("names", "names", names(3), Code::shape, "names: expected 2, received 3");
  add("fewer_rows", "rows", doubles({9}), Code::shape, "each of the 2 columns, received 1");
  add("width", "width", 5.0, Code::shape, "expected 10 columns, received 8");
  add("per_lookup", "per_lookup", true, Code::shape, "expected 4 columns, received 8");
  add("scale_names", "scale_names", names(1), Code::argument, "expected none, or 2 with mode sum, received 1");
  add("max_without_positions", "mode", "max"s, Code::shape, "expected 3 inputs, received 2");
  AttrMap max = good;
  max["mode"] = "max"s;
  cases.push_back({"embedding_update", "float_positions", max, {inputs[0], inputs[1], matrix(8)}, Code::shape, "positions of int32"});
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
  // Those of Criteo, and more vectors than a GPU's blocks have threads for tiles, and than their shared memory takes.
  const auto add = [&cases](int64_t tables, int64_t width, std::vector<int64_t> batches) {
    OpCase c{"interaction_dot", "tables_" + std::to_string(tables) + "_of_" + std::to_string(width), {}, {matrix(width), matrix(tables * width)}, width + tables};
    c.batches = std::move(batches);
    cases.push_back(c);
  };
  for (const int64_t width : {64, 128}) add(26, width, {1, 34});
  add(159, 8, {1, 3});
  add(1299, 1, {1});
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
  for (const char* hidden : {"relu", "sigmoid", "tanh", "none"})
    for (const char* last : {"relu", "sigmoid", "tanh", "none"})
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
  OpCase plain = mlp("without_bias", 5, {7, 9, 2}, "relu", "none");
  plain.attrs["bias"] = false;
  OpCase drawn = mlp("init", 5, {7, 2}, "relu", "none");
  for (const AttrMap::value_type& item : AttrMap{{"init", "uniform"s}, {"init_scale", 0.3}, {"bias_init", "constant"s}, {"bias_init_scale", -0.1}})
    drawn.attrs.insert(item);
  // More than a launch packs on CUDA.
  const OpCase many = mlp("many", 4, std::vector<double>(18, 4), "none", "none");
  cases.insert(cases.end(), {rows, batches, deep, mlp("one", 1, {1}), five, many, plain, drawn});
  // Compressed for prediction: all layers but the last, which joins them; outputs that are no multiple of a group; layers
  // with no weight left; a dense layer before, behind and between.
  const auto pruned = [&cases](OpCase c, double zeros) {
    c.name = "pruned_" + c.name;
    c.zeros = zeros;
    c.batches = {1, 2, 3, 4, 9, 16, 17, 33, 130};
    cases.push_back(c);
  };
  for (const int64_t width : kWidths) {
    pruned(mlp(numbered("outputs_", width), 40, {static_cast<double>(width), 30}, "sigmoid", "none"), 0.9);
    pruned(mlp(numbered("inputs_", width), width, {41, 37, 1}, "tanh", "sigmoid"), 0.8);
  }
  for (const char* hidden : {"relu", "sigmoid", "tanh", "none"}) pruned(mlp(hidden, 50, {70, 60, 1}, hidden, hidden), 0.9);
  pruned(mlp("whole", 20, {40, 30, 1}), 1);
  pruned(mlp("mixed", 60, {1, 70, 1, 50, 3}, "relu", "none"), 0.85);
  pruned(mlp("deep", 700, {90, 2}, "relu", "none"), 0.95);
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
  bad("last", {{"layers", layers}, {"last", std::string("prelu")}}, "\"prelu\"");
  bad("bias_init", {{"layers", layers}, {"bias_init", std::string("zeros")}}, "bias_init: expected uniform, normal or constant");
  bad("bias_init_scale", {{"layers", layers}, {"bias_init", std::string("normal")}, {"bias_init_scale", -1.0}}, "bias_init_scale");
  cases.push_back({"mlp", "no_columns", {{"layers", layers}}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"mlp", "two_inputs", {{"layers", layers}}, {matrix(3), matrix(3)}, Code::shape, "1 inputs"});
  cases.push_back({"mlp", "bags", {{"layers", layers}}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void mse_loss(std::vector<OpCase>& cases) {
  cases.push_back({"mse_loss", "probabilities", {}, {matrix(1, 0, 1), classes()}, 1, {1, 3, 130, 9000}});
  cases.push_back({"mse_loss", "weighted", {}, {matrix(1, -2, 3), classes(), no_gradient(matrix(1, 0, 5))}, 1, {1, 3, 130, 9000}});
  cases.push_back({"mse_loss", "large", {}, {matrix(1, -1e4, 1e4), labels()}});
}

void mse_loss(std::vector<ErrorCase>& cases) {
  cases.push_back({"mse_loss", "wide", {}, {matrix(2), matrix(2)}, Code::shape, "expected 1 columns, received 2"});
  cases.push_back({"mse_loss", "wide_weights", {}, {matrix(1), matrix(1), matrix(2)}, Code::shape, "expected 1 columns, received 2"});
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

void cases(std::vector<OpCase>& cases) {
  bce_loss(cases);
  concat(cases);
  dense_update(cases);
  embedding_bag(cases);
  embedding_update(cases);
  interaction_dot(cases);
  mlp(cases);
  mse_loss(cases);
  sigmoid(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  bce_loss(cases);
  concat(cases);
  dense_update(cases);
  embedding_bag(cases);
  embedding_update(cases);
  interaction_dot(cases);
  mlp(cases);
  mse_loss(cases);
  sigmoid(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
