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

// Fields in pairs, of vectors for each other.
void ffm_pair(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& name, int64_t fields, int64_t width, std::vector<int64_t> batches) {
    const int64_t cols = fields * (fields - 1) * width;
    cases.push_back({"ffm_pair", name, width_of(width), {matrix(cols)}, cols, std::move(batches)});
  };
  for (const int64_t width : kWidths) add(numbered("width_", width), width % 4 + 2, width, {1, 3, 34});
  for (const int64_t width : {2, 4, 10})
    for (const int64_t fields : {2, 3, 4, 10}) add(numbered("fields_", fields) + numbered("_width_", width), fields, width, {1, 3, 130});
}

void ffm_pair(std::vector<ErrorCase>& cases) {
  fields("ffm_pair", cases);
  cases.push_back({"ffm_pair", "no_square", width_of(2), {matrix(8)}, Code::shape, "expected F x (F - 1) vectors of 2, received 4"});
  cases.push_back({"ffm_pair", "one_vector", width_of(2), {matrix(2)}, Code::shape, "F >= 2"});
}

void field_weighted_pair(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& name, int64_t fields, int64_t width, std::vector<int64_t> batches) {
    const int64_t terms = fields * fields * width;
    cases.push_back({"field_weighted_pair", name, width_of(width), {matrix(fields * width)}, terms, std::move(batches)});
  };
  for (const int64_t width : kWidths) add(numbered("width_", width), width % 6 + 2, width, {1, 3, 34});
  for (const int64_t fields : {2, 3, 10, 40}) add(numbered("fields_", fields), fields, 10, {1, 3, 130});
  add("more_rows_than_chunks", 3, 5, {2100});
  OpCase pruned = cases.back();
  pruned.name = "every_pair_pruned";
  pruned.attrs["init"] = std::string("constant");
  pruned.attrs["init_scale"] = 0.0;
  pruned.batches = {1, 6};
  cases.push_back(pruned);
}

void field_weighted_pair(std::vector<ErrorCase>& cases) {
  fields("field_weighted_pair", cases);
  cases.push_back({"field_weighted_pair", "one_field", width_of(2), {matrix(2)}, Code::shape, "F >= 2"});
  AttrMap attrs = width_of(2);
  attrs["init"] = std::string("orthogonal");
  cases.push_back({"field_weighted_pair", "init", attrs, {matrix(8)}, Code::argument, "\"orthogonal\""});
}

void numeric_embedding(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths)
    cases.push_back({"numeric_embedding", numbered("width_", width), width_of(width), {matrix(width % 6 + 1)}, width, {1, 3, 34}});
  cases.push_back({"numeric_embedding", "more_rows_than_chunks", width_of(10), {matrix(13)}, 10, {3, 2100}});
}

void numeric_embedding(std::vector<ErrorCase>& cases) {
  for (const double width : {0.0, 2.5, std::nan("")})
    cases.push_back({"numeric_embedding", "width", {{"width", width}}, {matrix(8)}, Code::argument, "width: expected an integer"});
  cases.push_back({"numeric_embedding", "no_columns", width_of(3), {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"numeric_embedding", "bags", width_of(3), {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void exp(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) cases.push_back({"exp", numbered("width_", width), {}, {matrix(width, -4, 4)}});
  cases.push_back({"exp", "one_column", {}, {matrix(1, -20, 20)}, 8, {3, 3000}});
}

void exp(std::vector<ErrorCase>& cases) {
  cases.push_back({"exp", "two_inputs", {}, {matrix(3), matrix(3)}, Code::shape, "expected 1 inputs"});
  cases.push_back({"exp", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void sqrt(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) cases.push_back({"sqrt", numbered("width_", width), {}, {matrix(width, 0.01, 4)}});
  cases.push_back({"sqrt", "one_column", {}, {matrix(1, 0.01, 20)}, 8, {3, 3000}});
}

void sqrt(std::vector<ErrorCase>& cases) {
  cases.push_back({"sqrt", "two_inputs", {}, {matrix(3), matrix(3)}, Code::shape, "expected 1 inputs"});
  cases.push_back({"sqrt", "bags", {}, {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void mul(std::vector<OpCase>& cases) {
  for (const int64_t width : kWidths) cases.push_back({"mul", numbered("width_", width), {}, {matrix(width), matrix(width)}});
  cases.push_back({"mul", "large", {}, {matrix(127), matrix(127)}, 1, {3, 300}});
}

void mul(std::vector<ErrorCase>& cases) {
  cases.push_back({"mul", "one_input", {}, {matrix(3)}, Code::shape, "expected 2 inputs"});
  cases.push_back({"mul", "other_width", {}, {matrix(3), matrix(4)}, Code::shape, "expected 3 columns, received 4"});
}

AttrMap columns(double start, double length) { return {{"start", start}, {"length", length}}; }

void slice(std::vector<OpCase>& cases) {
  cases.push_back({"slice", "all", columns(0, 7), {matrix(7)}});
  cases.push_back({"slice", "one", columns(6, 1), {matrix(7)}});
  cases.push_back({"slice", "first", columns(0, 16), {matrix(33)}});
  cases.push_back({"slice", "last", columns(100, 200), {matrix(300)}});
  cases.push_back({"slice", "middle", columns(5, 17), {matrix(64)}, 1, {1, 3, 300}});
}

void slice(std::vector<ErrorCase>& cases) {
  const auto bad = [&](const char* name, double start, double length, const char* text) {
    cases.push_back({"slice", name, columns(start, length), {matrix(7)}, Code::argument, text});
  };
  bad("start", 7, 1, "start: expected an integer from 0 to 6, received 7");
  bad("negative_start", -1, 1, "start");
  bad("nan_start", std::nan(""), 1, "start");
  bad("too_long", 3, 5, "length: expected an integer from 1 to 4, received 5");
  bad("nothing", 3, 0, "length");
  bad("half", 3, 1.5, "length");
  cases.push_back({"slice", "no_columns", columns(0, 1), {matrix(0)}, Code::shape, "at least 1 column"});
  cases.push_back({"slice", "bags", columns(0, 1), {bags({9}, Input::one_hot)}, Code::shape, "received bags"});
}

void cases(std::vector<OpCase>& cases) {
  add(cases);
  exp(cases);
  ffm_pair(cases);
  field_weighted_pair(cases);
  fm_pair(cases);
  mul(cases);
  numeric_embedding(cases);
  slice(cases);
  sqrt(cases);
}

void errors(std::vector<ErrorCase>& cases) {
  add(cases);
  exp(cases);
  ffm_pair(cases);
  field_weighted_pair(cases);
  fm_pair(cases);
  mul(cases);
  numeric_embedding(cases);
  slice(cases);
  sqrt(cases);
}

const CaseFile file(cases, errors);

}  // namespace
}  // namespace dlrm::test
