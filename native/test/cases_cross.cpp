// Cases of the ops that multiply features into each other: cin, cross, cross_v2.
#include <algorithm>
#include <cmath>

#include "test/op_case.h"

namespace dlrm::test {
namespace {

using namespace std::string_literals;

OpCase cin(const std::string& name, int64_t fields, int64_t width, std::vector<double> layers, AttrMap more = {}) {
  OpCase c{"cin", name, {{"layers", layers}, {"width", static_cast<double>(width)}}, {matrix(fields * width)}};
  for (const auto& item : more) c.attrs[item.first] = item.second;
  c.terms = width + fields * fields;
  for (const double maps : layers) c.terms += static_cast<int64_t>(maps) * fields;
  return c;
}

void cin(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    const auto maps = static_cast<double>(width);
    OpCase c = cin(numbered("width_", width), 3, width, {4, 2});
    c.batches = {1, 3, 33};
    cases.push_back(c);
    cases.push_back(cin(numbered("maps_", width), 3, 2, {maps, 5}));
    cases.push_back(cin(numbered("fields_", width), std::min<int64_t>(width, 33), 2, {3, 2}));
  }
  const AttrMap relu = {{"activation", "relu"s}}, split = {{"split_half", true}}, bare = {{"bias", false}};
  OpCase batches = cin("batches", 3, 5, {4, 6, 3}), rectified = cin("relu", 3, 2, {5, 4}, relu);
  OpCase half = cin("split_half", 4, 3, {6, 4, 3}, split), both = cin("split_half_relu", 4, 1, {16, 3}, relu);
  both.attrs["split_half"] = true;
  // Large weights: few sums within a step of the differences from relu's kink.
  for (OpCase* c : {&rectified, &both}) c->attrs["init"] = "normal"s, c->attrs["init_scale"] = 8.0;
  batches.batches = {0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 600, 1101};
  rectified.batches = half.batches = both.batches = {0, 1, 3, 16, 17, 48, 100};
  OpCase init = cin("init", 3, 2, {4}, {{"init", "uniform"s}, {"init_scale", 0.5}});
  // More than one stretch of the depth, and of the columns.
  OpCase deep = cin("deep", 9, 2, {40, 3}), wide = cin("wide", 2, 40, {3, 2});
  deep.batches = {1, 3, 17};
  cases.insert(cases.end(), {batches, rectified, half, both, init, deep, wide, cin("no_bias", 3, 4, {5, 2}, bare), cin("one", 1, 1, {1})});
}

void cin(std::vector<ErrorCase>& cases) {
  const std::vector<double> layers = {4, 2};
  const auto bad = [&cases](const char* name, AttrMap attrs, const char* text) {
    attrs.insert({"width", 2.0});
    cases.push_back({"cin", name, std::move(attrs), {matrix(6)}, Code::argument, text});
  };
  bad("no_layers", {}, "at least one number of maps");
  bad("no_maps", {{"layers", std::vector<double>{4, 0}}}, "received 0");
  bad("odd_split", {{"layers", std::vector<double>{3, 3}}, {"split_half", true}}, "expected even numbers but the last");
  bad("activation", {{"layers", layers}, {"activation", "tanh"s}}, "expected none or relu, received \"tanh\"");
  for (const double width : {0.0, 1.5, 1e9}) bad("width", {{"layers", layers}, {"width", width}}, "width: expected an integer from 1");
  const AttrMap good = {{"layers", layers}, {"width", 4.0}};
  cases.push_back({"cin", "no_multiple", good, {matrix(6)}, Code::shape, "a multiple of the width 4, received 6"});
  cases.push_back({"cin", "no_columns", good, {matrix(0)}, Code::shape, "a multiple of the width 4, received 0"});
  cases.push_back({"cin", "two_inputs", good, {matrix(4), matrix(4)}, Code::shape, "expected 1 inputs"});
  cases.push_back({"cin", "bags", good, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

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

OpCase cross_v2(const std::string& name, int64_t cols, int64_t layers, int64_t rank = 0, int64_t experts = 0) {
  OpCase c{"cross_v2", name, {{"layers", static_cast<double>(layers)}}, {matrix(cols)}};
  if (rank) c.attrs["rank"] = static_cast<double>(rank);
  if (experts) c.attrs["experts"] = static_cast<double>(experts);
  c.terms = layers * (cols + (rank ? cols + 2 * rank * (experts + 1) + 40 : 0));
  return c;
}

void cross_v2(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) {
    cases.push_back(cross_v2(numbered("full_", width), width, width % 3 + 1));
    cases.push_back(cross_v2(numbered("width_", width), width, width % 2 + 1, 5));
    cases.push_back(cross_v2(numbered("rank_", width), 12, 2, width));
    cases.push_back(cross_v2(numbered("mixture_width_", width), width, width % 2 + 1, 6, 3));
    cases.push_back(cross_v2(numbered("mixture_rank_", width), 9, 2, width, 2));
    cases.push_back(cross_v2(numbered("experts_", std::min<int64_t>(width, 64)), 5, 1, 3, std::min<int64_t>(width, 64)));
  }
  OpCase batches = cross_v2("batches", 20, 2), low = cross_v2("low_rank_batches", 20, 2, 4);
  OpCase mixture = cross_v2("mixture_batches", 20, 2, 4, 2), init = cross_v2("init", 7, 2, 3, 2);
  batches.batches = low.batches = mixture.batches = {0, 1, 3, 15, 16, 17, 257, 600, 1101};
  init.attrs["init"] = "uniform"s;
  init.attrs["init_scale"] = 0.5;
  cases.insert(cases.end(), {batches, low, mixture, init});
}

void cross_v2(std::vector<ErrorCase>& cases) {
  const auto bad = [&cases](const char* name, AttrMap attrs, const char* text) {
    cases.push_back({"cross_v2", name, std::move(attrs), {matrix(3)}, Code::argument, text});
  };
  for (const double layers : {0.0, 1.5, 65.0, std::nan("")}) bad("layers", {{"layers", layers}}, "layers: expected an integer from 1 to 64");
  for (const double rank : {-1.0, 0.5, 1e9}) bad("rank", {{"rank", rank}}, "rank: expected an integer from 0 to");
  for (const double experts : {-1.0, 0.5, 65.0}) bad("experts", {{"rank", 2.0}, {"experts", experts}}, "experts: expected an integer from 0 to 64");
  bad("experts_of_full_rank", {{"experts", 2.0}}, "expected a rank >= 1");
  bad("init", {{"init", "xavier"s}}, "uniform, normal or constant");
  cases.push_back({"cross_v2", "no_columns", {}, {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"cross_v2", "two_inputs", {}, {matrix(3), matrix(3)}, Code::shape, "expected 1 inputs"});
  cases.push_back({"cross_v2", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void cases(std::vector<OpCase>& cases) {
  cin(cases);
  cross(cases);
  cross_v2(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  cin(cases);
  cross(cases);
  cross_v2(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
