// What the emulated runtime gives the scheduler.
#pragma once
#include <string>

namespace dlrm::emulator {

// A kernel's fault, told by the next synchronisation.
void note_fault(const std::string& what);

}  // namespace dlrm::emulator
