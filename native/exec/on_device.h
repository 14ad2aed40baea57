// What a program on a CUDA device has beside its tensors and arenas.
#pragma once
#include <map>

#include "exec/program.h"
#include "exec/results.h"
#include "exec/upload.h"

namespace dlrm {

struct Program::OnDevice {
  OnDevice();

  Uploads uploads;
  Results results;
  Buffer one{sizeof(float), MemoryKind::device};       // 1, where backward begins
  Buffer squares{sizeof(double), MemoryKind::device};  // of all gradients, for clipping
  Buffer scale{sizeof(float), MemoryKind::device};     // what clipping makes of them
  std::vector<size_t> constants_at;                    // per node, as Update::constants
  std::vector<char> constants;                         // of the step that is being started, on the host
  std::map<int64_t, std::unique_ptr<Op>> adders;       // of gradients of so many columns
};

}  // namespace dlrm
