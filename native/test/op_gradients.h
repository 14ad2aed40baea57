// Gradients of the scalar variant against central differences of its forward.
#pragma once
#include "test/op_case.h"

namespace dlrm::test {

void check_gradients(const OpCase& c);

}  // namespace dlrm::test
