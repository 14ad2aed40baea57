// The rules every op must keep, as tests over all cases of cases.cpp:
//   variants     every instruction set of this machine agrees with the scalar variant and touches only its own buffers
//   repeated     the device's kernels give bitwise the same again
//   threads      results are bitwise the same for any number of threads
//   gradients    backward of the scalar variant agrees with finite differences of its forward
//   omitted      leaving out a gradient that is not wanted changes no other
//   errors       shapes and options that make no sense are refused with the right code
#pragma once
#include "test/test.h"

namespace dlrm::test {

std::vector<Test> op_tests();

}  // namespace dlrm::test
