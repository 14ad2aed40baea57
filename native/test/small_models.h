// Programs and batches that several tests use.
#pragma once
#include <vector>

#include "exec/program.h"

namespace dlrm::test {

GraphSpec dlrm_graph();  // the DLRM of the whole package, small

// Bags of up to three indices.
Batch random_batch(const InputSpec& inputs, int64_t size, uint64_t seed);

std::vector<float> values(const Program& program, size_t index);

// One rule for all groups.
std::vector<GroupRule> all(Attrs rule);
Attrs rule(const char* name);
std::vector<GroupRule> sgd();

}  // namespace dlrm::test
