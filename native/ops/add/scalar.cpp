#include "ops/add/add.h"

namespace dlrm {
namespace {

void copy(const View& to, const View& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < to.cols; ++k) to.row(b)[k] = a.row(b)[k];
}

void add(const View& to, const View& a, const View& c, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < to.cols; ++k) to.row(b)[k] = a.row(b)[k] + c.row(b)[k];
}

void accumulate(const View& to, const View& a, Range range) {
  for (int64_t b = range.begin; b < range.end; ++b)
    for (int64_t k = 0; k < to.cols; ++k) to.row(b)[k] += a.row(b)[k];
}

}  // namespace

const AddKernels add_scalar = {copy, add, accumulate};

}  // namespace dlrm
