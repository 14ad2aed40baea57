// What the harness knows of an op: cases.cpp lists these, op_checks.cpp holds every one to the same rules.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/op.h"

namespace dlrm::test {

struct Input {
  enum Kind { matrix, bags, positions } kind = matrix;

  // A matrix of uniform numbers in [lo, hi).
  int64_t rows = kPerExample, cols = 0;
  float lo = -1, hi = 1;
  bool whole = false;           // rounded down to integers
  bool differentiable = true;   // false: the op gives no gradient for it

  // Bags of one table per entry of table_rows.
  enum Style { one_hot, multi_hot, repeated, empty, giant } style = multi_hot;
  std::vector<int64_t> table_rows;
  bool weighted = false;
  bool alike = false;           // every table has the bags of the first, with indices of its own

  // positions: the winning lookup of every element of a max-pooled output of `cols` columns, -1 for an empty bag.
  // The columns are those of all bags, as wide as each other, or these: bag and width.
  std::vector<std::pair<int64_t, int64_t>> parts;
};

inline Input matrix(int64_t cols, float lo = -1, float hi = 1) {
  Input input;
  input.cols = cols;
  input.lo = lo;
  input.hi = hi;
  return input;
}

// One number per lookup of the op's bags.
inline Input per_lookup() {
  Input input = matrix(1);
  input.rows = kPerLookup;
  return input;
}

// multi_hot: 0 to 6 lookups; repeated: 0 to 40 lookups, most of them of two rows; empty: L = 0; giant: 0 to 6, but 30,000
// in every third bag.
inline Input bags(std::vector<int64_t> table_rows, Input::Style style, bool weighted = false) {
  Input input;
  input.kind = Input::bags;
  input.table_rows = std::move(table_rows);
  input.style = style;
  input.weighted = weighted;
  return input;
}

inline Input alike(Input input) {
  input.alike = true;
  return input;
}

inline Input positions(int64_t cols) {
  Input input = matrix(cols);
  input.kind = Input::positions;
  return input;
}

inline Input no_gradient(Input input) {
  input.differentiable = false;
  return input;
}

using AttrMap = std::map<std::string, Attrs::Value>;

struct OpCase {
  std::string op, name;
  AttrMap attrs;
  std::vector<Input> inputs;
  // The longest sum behind one number, apart from sums over the batch: scales the tolerances.
  int64_t terms = 1;
  std::vector<int64_t> batches = {1, 3, 33, 130};
  int steps = 1;      // update ops: calls in a row
  bool training = true;  // false: as in prediction, though backward is checked all the same
  bool clipped = false;  // update ops: each step's sum of squares is taken first, and is a result too
  int gradients = 0;  // update ops: this many parameters come with a dense gradient
  // This share of the parameters is zero (of a tensor of one row: none), and what the op predicts is a result too, which
  // must be bitwise what its training step gives.
  double zeros = 0;
  // Factors are rounded to bfloat16: finite differences do not fit such steps; bf16_test.cpp does. Where what is rounded is
  // a sum, this many times in a row (layers), one that falls near the middle between two moves by 2^-7 of itself.
  bool bf16 = false;
  int roundings = 0;
};

struct ErrorCase {
  std::string op, name;
  AttrMap attrs;
  std::vector<Input> inputs;
  Code code;
  std::string text;  // part of the message
};

// Of an update of tables: repeated, each of 60 examples looks up a table of one row 0 to 40 times; else about `few`.
inline int64_t terms_of(const Input& bags, int64_t few) { return bags.style == Input::repeated ? 60 * 20 : few; }

// Widths around the vector lengths.
inline const std::vector<int64_t> kWidths = {1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127};

inline std::string numbered(const char* what, int64_t n) { return what + std::to_string(n); }

// Those of every file cases*.cpp.
std::vector<OpCase> op_cases();
std::vector<ErrorCase> error_cases();

// A file of cases: `const CaseFile file(cases, errors);`
struct CaseFile {
  CaseFile(void (*cases)(std::vector<OpCase>&), void (*errors)(std::vector<ErrorCase>&));
};

}  // namespace dlrm::test
