// Cases of the ops that multiply features into each other: cross, cross_v2.
#include <algorithm>
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
  cross(cases);
  cross_v2(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  cross(cases);
  cross_v2(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
