// Cases of the ops that read tables, where their columns differ: widths, modes, shared tables, chosen columns. What all
// columns have in common is in cases.cpp.
#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;
using Names = std::vector<std::string>;
using Numbers = std::vector<double>;

const std::vector<int64_t> kBags = {50, 1, 300, 2, 700, 40};

// Columns 4, 0, 3, 5 of six; 4 and 5 share table 0.
AttrMap mixed(const Names& modes, const Numbers& widths = {10, 17, 3}) {
  return {{"columns", Numbers{4, 0, 3, 5}}, {"tables", Numbers{0, 1, 2, 0}}, {"rows", Numbers{700, 50, 2}}, {"widths", widths}, {"modes", modes}};
}

// The positions of the max columns among those of mixed().
Input positions_of(const Names& modes, const Numbers& widths = {10, 17, 3}) {
  const int64_t bags[] = {4, 0, 3, 5}, tables[] = {0, 1, 2, 0};
  Input input = positions(0);
  for (size_t c = 0; c < 4; ++c) {
    if (modes[c] != "max") continue;
    const auto width = static_cast<int64_t>(widths[static_cast<size_t>(tables[c])]);
    input.parts.push_back({bags[c], width});
    input.cols += width;
  }
  return input;
}

const std::pair<const char*, Names> kModes[] = {
    {"sum", {"sum", "sum", "sum", "sum"}},
    {"mean_shared", {"mean", "sum", "sum", "mean"}},
    {"max_and_sum_shared", {"max", "mean", "sum", "sum"}},
    {"all_max", {"max", "max", "max", "max"}},
};

struct Style {
  const char* name;
  Input::Style style;
};
const Style kStyles[] = {{"one_hot", Input::one_hot}, {"multi_hot", Input::multi_hot}, {"repeated", Input::repeated}, {"empty", Input::empty}};

AttrMap with(AttrMap attrs, const AttrMap& more) {
  for (const auto& item : more) attrs[item.first] = item.second;
  return attrs;
}

void embedding_bag(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& name, const AttrMap& attrs, Input input) {
    cases.push_back({"embedding_bag", name, attrs, {std::move(input)}, 40, {1, 3, 130}});
  };
  for (const auto& modes : kModes)
    for (const Style& style : kStyles) add("mixed_"s + modes.first + "_" + style.name, mixed(modes.second), bags(kBags, style.style));
  add("mixed_weighted", mixed(kModes[0].second), bags(kBags, Input::repeated, true));
  add("mixed_row_weights", with(mixed(kModes[0].second), {{"row_weights", "v"s}}), bags(kBags, Input::repeated));
  for (const char* dtype : {"bf16", "f16", "int8", "int4"}) {
    const auto typed = [&](AttrMap attrs) { return with(std::move(attrs), {{"dtype", std::string(dtype)}}); };
    const std::string name = dtype + "_"s;
    for (const double width : {1.0, 2.0, 3.0, 7.0, 8.0, 9.0, 15.0, 16.0, 17.0, 31.0, 33.0, 64.0, 65.0, 129.0, 200.0})
      for (const char* mode : {"sum", "mean", "max"}) {
        const AttrMap attrs = {{"rows", Numbers{30, 2}}, {"width", width}, {"mode", std::string(mode)}};
        add(name + mode + numbered("_width_", static_cast<int64_t>(width)), typed(attrs), bags({30, 2}, Input::repeated));
      }
    for (const auto& modes : kModes) add(name + "mixed_" + modes.first, typed(mixed(modes.second)), bags(kBags, Input::multi_hot));
    add(name + "empty", typed(mixed(kModes[0].second)), bags(kBags, Input::empty));
    add(name + "weighted", typed(mixed(kModes[0].second)), bags(kBags, Input::repeated, true));
    if (dtype[0] != 'i') add(name + "row_weights", typed(with(mixed(kModes[0].second), {{"row_weights", "v"s}})), bags(kBags, Input::repeated));
  }
  const Numbers nine(90, 9);
  add("many_columns", {{"rows", nine}, {"width", 4.0}}, bags(std::vector<int64_t>(90, 9), Input::multi_hot, true));
  add("init", {{"rows", Numbers{9, 8}}, {"width", 5.0}, {"init", "normal"s}, {"init_scale", 0.5}}, bags({9, 8}, Input::one_hot));
}

void embedding_bag(std::vector<ErrorCase>& cases) {
  const AttrMap good = mixed(kModes[0].second);
  const auto add = [&](const char* name, const AttrMap& change, Code code, const char* text) {
    cases.push_back({"embedding_bag", name, with(good, change), {bags(kBags, Input::one_hot)}, code, text});
  };
  add("column_beyond", {{"columns", Numbers{4, 0, 3, 6}}}, Code::argument, "columns: expected numbers below 6, the number of bags, received 6");
  add("column_twice", {{"columns", Numbers{4, 0, 3, 4}}}, Code::argument, "columns: 4 is there twice");
  add("tables_length", {{"tables", Numbers{0, 1, 2}}}, Code::shape, "tables: expected one number for each of the 4 columns, received 3");
  add("table_beyond", {{"tables", Numbers{0, 1, 2, 3}}}, Code::argument, "tables: expected numbers below 3, the length of rows, received 3");
  add("table_unused", {{"tables", Numbers{0, 1, 1, 0}}}, Code::argument, "tables: table 2 has no column");
  add("widths_length", {{"widths", Numbers{4, 5}}}, Code::shape, "widths: expected one number for each of the 3 tables, received 2");
  add("both_widths", {{"width", 4.0}}, Code::argument, "expected width or widths, received both");
  add("zero_width", {{"widths", Numbers{4, 0, 1}}}, Code::argument, "width: expected an integer from 1");
  add("modes_length", {{"modes", Names{"sum"}}}, Code::shape, "modes: expected one for each of the 4 columns, received 1");
  add("both_modes", {{"mode", "sum"s}}, Code::argument, "expected mode or modes, received both");
  add("one_mode", {{"modes", Names{"sum", "sum", "sum", "top"}}}, Code::argument, "received \"top\"");
  add("dtype", {{"dtype", "i32"s}}, Code::argument, "dtype: expected f32, bf16, f16, int8 or int4, received \"i32\"");
  add("row_weights_of_mean", {{"modes", kModes[1].second}, {"row_weights", "v"s}}, Code::argument, "mode sum only, received mode mean");
}

const std::pair<const char*, AttrMap> kRules[] = {
    {"sgd", {{"rule", "sgd"s}}},
    {"adagrad", {{"rule", "adagrad"s}, {"eps", 1e-3}, {"initial_accumulator", 0.1}}},
    {"rowwise_adagrad", {{"rule", "rowwise_adagrad"s}, {"eps", 1e-3}, {"initial_accumulator", 0.1}}},
    {"adam", {{"rule", "adam"s}, {"eps", 1e-3}}},
};

void add_update(std::vector<OpCase>& cases, const std::string& name, AttrMap attrs, std::vector<Input> inputs, std::vector<int64_t> batches = {1, 3, 60}) {
  attrs["names"] = Names();
  for (size_t t = 0; t < std::get<Numbers>(attrs["rows"]).size(); ++t) std::get<Names>(attrs["names"]).push_back(numbered("t", static_cast<int64_t>(t)));
  const int64_t terms = terms_of(inputs[0], 160);
  OpCase c{"embedding_update", name, attrs, std::move(inputs), terms, std::move(batches)};
  c.steps = 3;
  cases.push_back(c);
}

Input lookups_of(int64_t width) {
  Input input = per_lookup();
  input.cols = width;
  return input;
}

void embedding_update(std::vector<OpCase>& cases) {
  const AttrMap all_sum = mixed(kModes[0].second);
  for (const auto& rule : kRules) {
    const std::string name = rule.first + "_"s;
    for (const auto& modes : kModes)
      for (const Style& style : kStyles) {
        std::vector<Input> inputs = {bags(kBags, style.style), matrix(10 + 17 + 3 + 10)};
        if (const Input won = positions_of(modes.second); won.cols) inputs.push_back(won);
        if (rule.first == "adam"s || style.style == Input::repeated)
          add_update(cases, name + "mixed_" + modes.first + "_" + style.name, with(mixed(modes.second), rule.second), inputs);
      }
    add_update(cases, name + "mixed_weighted", with(all_sum, rule.second), {bags(kBags, Input::repeated, true), matrix(40)});
    add_update(cases, name + "mixed_scaled", with(with(all_sum, rule.second), {{"scale_names", Names{"a", "b", "c"}}}), {bags(kBags, Input::repeated), matrix(40)});
    for (const int64_t width : {1, 10, 16}) {
      const auto w = static_cast<double>(width);
      const AttrMap one = with(mixed(kModes[0].second, {w, w, w}), rule.second), mean = with(one, {{"modes", kModes[1].second}});
      add_update(cases, name + numbered("shared_gradient_", width), with(one, {{"shared_gradient", true}}), {bags(kBags, Input::repeated), matrix(width)});
      add_update(cases, name + numbered("shared_gradient_mean_", width), with(mean, {{"shared_gradient", true}}), {bags(kBags, Input::multi_hot), matrix(width)});
      add_update(cases, name + numbered("lookups_", width), with(one, {{"per_lookup", true}}), {bags(kBags, Input::repeated), lookups_of(width)});
    }
  }
  const std::pair<const char*, AttrMap> more[] = {
      {"ftrl", {{"rule", "ftrl"s}, {"l1", 0.01}}},
      {"momentum", {{"rule", "sgd"s}, {"momentum", 0.9}, {"lazy", false}}},
      {"decayed", {{"rule", "rowwise_adagrad"s}, {"weight_decay", 0.1}, {"eps", 1e-3}, {"lazy", false}}},
      {"adamw", {{"rule", "adam"s}, {"eps", 1e-3}, {"weight_decay", 0.1}, {"decoupled", true}, {"lazy", false}}},
  };
  for (const char* dtype : {"bf16", "f16"}) {
    const auto typed = [&](const std::pair<const char*, AttrMap>& rule) {
      const std::string name = dtype + "_"s + rule.first;
      const AttrMap attrs = with(rule.second, {{"dtype", std::string(dtype)}});
      for (const double width : {1.0, 3.0, 8.0, 10.0, 16.0, 33.0, 64.0}) {
        const AttrMap tables = {{"rows", Numbers{500, 3}}, {"width", width}};
        add_update(cases, name + numbered("_width_", static_cast<int64_t>(width)), with(tables, attrs),
                   {bags({500, 3}, Input::multi_hot), matrix(2 * static_cast<int64_t>(width))});
      }
      add_update(cases, name + "_mixed", with(mixed(kModes[1].second), attrs), {bags(kBags, Input::repeated), matrix(40)});
    };
    for (const auto& rule : kRules) typed(rule);
    for (const auto& rule : more) typed(rule);
  }
  // Clipping; more tables and columns than a launch on a GPU has.
  for (const auto& rule : kRules)
    for (const int64_t width : {1, 10, 16}) {
      const auto w = static_cast<double>(width);
      const AttrMap tables = {{"tables", Numbers{0, 1, 0, 1}}, {"rows", Numbers{400, 3}}, {"width", w}};
      add_update(cases, rule.first + numbered("_clipped_", width), with(tables, rule.second), {bags({400, 3, 50, 3}, Input::repeated), matrix(4 * width)});
      cases.back().clipped = true;
    }
  const Names& max = kModes[3].second;
  add_update(cases, "clipped_max", mixed(max), {bags(kBags, Input::repeated), matrix(40), positions_of(max)});
  cases.back().clipped = true;
  for (const bool whole : {false, true}) {
    AttrMap many = with(kRules[2].second, {{"rows", Numbers(80, 9)}, {"width", 4.0}, {"lazy", !whole}, {"weight_decay", 0.1}});
    add_update(cases, whole ? "many_tables_whole" : "many_tables", many, {bags(std::vector<int64_t>(80, 9), Input::multi_hot), matrix(320)}, {3, 60});
    cases.back().clipped = true;
  }
  // More lookups than one slice, from several columns, of few rows and of many.
  const AttrMap sliced = {{"tables", Numbers{0, 1, 0, 1}}, {"rows", Numbers{60000, 5}}, {"width", 3.0}};
  for (const bool weighted : {false, true})
    add_update(cases, weighted ? "sliced_columns_weighted" : "sliced_columns", sliced, {bags({60000, 5, 900, 5}, Input::multi_hot, weighted), matrix(12)}, {4500});
}

void embedding_update(std::vector<ErrorCase>& cases) {
  const AttrMap good = with(mixed(kModes[0].second), {{"names", Names{"a", "b", "c"}}});
  const auto add = [&](const char* name, const AttrMap& change, Code code, const char* text, int64_t cols = 40) {
    cases.push_back({"embedding_update", name, with(good, change), {bags(kBags, Input::one_hot), matrix(cols)}, code, text});
  };
  add("int8", {{"dtype", "int8"s}}, Code::state, "tables of int8 are for predictions");
  add("mixed_columns", {}, Code::shape, "expected 40 columns, received 39", 39);
  add("shared_widths", {{"shared_gradient", true}}, Code::argument, "widths: all columns have one gradient", 10);
  add("lookup_widths", {{"per_lookup", true}}, Code::argument, "widths: all columns have one gradient", 10);
  add("lookup_modes", {{"per_lookup", true}, {"modes", kModes[1].second}}, Code::argument, "per_lookup: gradients of lookups go with mode sum", 10);
  add("lookup_and_shared", {{"per_lookup", true}, {"shared_gradient", true}}, Code::argument, "received both", 10);
  add("scaled_mean", {{"scale_names", Names{"x", "y", "z"}}, {"modes", kModes[1].second}}, Code::argument, "scale_names: expected none, or 3 with mode sum");
}

void linear_bag(std::vector<OpCase>& cases) {
  const AttrMap init = {{"init", "uniform"s}, {"init_scale", 1.0}};
  const auto add = [&](const std::string& name, const AttrMap& attrs, Input input) {
    cases.push_back({"linear_bag", name, with(attrs, init), {std::move(input)}, 300, {1, 3, 130, 1100}});
  };
  const Numbers rows(kBags.begin(), kBags.end());
  const AttrMap all = {{"rows", rows}}, chosen = {{"columns", Numbers{4, 0, 3, 5}}, {"tables", Numbers{0, 1, 2, 0}}, {"rows", Numbers{700, 50, 2}}};
  for (const Style& style : kStyles) {
    add("sum_"s + style.name, all, bags(kBags, style.style));
    add("mean_"s + style.name, with(all, {{"mode", "mean"s}}), bags(kBags, style.style));
    add("weighted_"s + style.name, all, bags(kBags, style.style, true));
    add("chosen_"s + style.name, with(chosen, {{"modes", kModes[1].second}}), bags(kBags, style.style));
  }
  add("chosen_weighted", chosen, bags(kBags, Input::repeated, true));
  add("no_bias", with(all, {{"bias", false}}), bags(kBags, Input::one_hot));
}

void linear_bag(std::vector<ErrorCase>& cases) {
  const std::vector<Input> inputs = {bags({9, 8}, Input::one_hot)};
  const AttrMap good = {{"rows", Numbers{9, 8}}};
  cases.push_back({"linear_bag", "width", with(good, {{"width", 2.0}}), inputs, Code::argument, "width: expected 1, received 2"});
  cases.push_back({"linear_bag", "max", with(good, {{"mode", "max"s}}), inputs, Code::argument, "mode: expected sum or mean, received \"max\""});
  cases.push_back({"linear_bag", "rows", with(good, {{"rows", Numbers{9}}}), inputs, Code::shape, "each of the 2 columns, received 1"});
  cases.push_back({"linear_bag", "matrix", good, {matrix(2)}, Code::shape, "expected bags, received a matrix"});
}

void qr_embedding_bag(std::vector<OpCase>& cases) {
  const AttrMap chosen = {{"columns", Numbers{3, 1, 0, 2}}, {"rows", Numbers{70, 1, 50, 4}}};
  const auto add = [&](const std::string& name, const AttrMap& attrs, Input input) {
    cases.push_back({"qr_embedding_bag", name, attrs, {alike(std::move(input))}, 60, {1, 3, 130, 1100}});
  };
  const std::vector<int64_t> tables = {50, 1, 4, 70};
  for (const std::string& operation : {"mult"s, "add"s, "concat"s})
    for (const double width : {1.0, 5.0, 8.0, 17.0}) {
      const AttrMap attrs = with(chosen, {{"operation", operation}, {"width", width}});
      const std::string name = numbered((operation + "_").c_str(), static_cast<int64_t>(width));
      for (const Style& style : kStyles) add(name + "_" + style.name, attrs, bags(tables, style.style));
      add(name + "_mean", with(attrs, {{"mode", "mean"s}}), bags(tables, Input::multi_hot));
      add(name + "_weighted", attrs, bags(tables, Input::multi_hot, true));
      if (operation != "mult") continue;
      const AttrMap pooled = with(attrs, {{"pool_first", true}});
      add(name + "_pool_first", pooled, bags(tables, Input::multi_hot));
      add(name + "_pool_first_mean", with(pooled, {{"mode", "mean"s}}), bags(tables, Input::repeated));
      add(name + "_pool_first_weighted", pooled, bags(tables, Input::multi_hot, true));
    }
}

void qr_embedding_bag(std::vector<ErrorCase>& cases) {
  const std::vector<Input> inputs = {bags({9, 8}, Input::one_hot)};
  const AttrMap good = {{"rows", Numbers{9, 8}}, {"width", 4.0}};
  const auto refuse = [&](const char* name, const AttrMap& more, Code code, const char* text) {
    cases.push_back({"qr_embedding_bag", name, with(good, more), inputs, code, text});
  };
  refuse("operation", {{"operation", "divide"s}}, Code::argument, "operation: expected mult, add or concat, received \"divide\"");
  refuse("one_column", {{"columns", Numbers{0}}, {"rows", Numbers{9}}}, Code::shape, "pairs of a quotient and a remainder");
  refuse("shared", {{"tables", Numbers{0, 0}}, {"rows", Numbers{9}}}, Code::shape, "a table each, received 2 columns of 1 tables");
  refuse("max", {{"mode", "max"s}}, Code::argument, "mode: expected sum or mean, received \"max\"");
  refuse("modes", {{"modes", Names{"sum", "mean"}}}, Code::argument, "one mode for each pair");
  cases.push_back({"qr_embedding_bag", "widths", {{"rows", Numbers{9, 8}}, {"widths", Numbers{4, 5}}}, inputs, Code::argument, "one width"});
  cases.push_back({"qr_embedding_bag", "no_width", {{"rows", Numbers{9, 8}}}, inputs, Code::argument, "width"});
}

void cases(std::vector<OpCase>& cases) {
  embedding_bag(cases);
  embedding_update(cases);
  linear_bag(cases);
  qr_embedding_bag(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  embedding_bag(cases);
  embedding_update(cases);
  linear_bag(cases);
  qr_embedding_bag(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
