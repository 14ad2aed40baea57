// Magnitude pruning: what is closest to zero becomes zero.
#pragma once
#include <vector>

#include "base/pool.h"
#include "base/view.h"

namespace dlrm {

// Sets the `count` numbers of least magnitude, of all these tensors together, to zero; of equal ones the first. Numbers
// that are zero already count, NaN is never pruned. The result is the same for any number of threads.
void prune(const std::vector<View>& tensors, int64_t count, Pool* pool);

int64_t count_zeros(const View& tensor);

}  // namespace dlrm
