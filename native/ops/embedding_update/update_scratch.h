// What an update keeps in Run::scratch on the CPU.
#pragma once
#include "ops/embedding_bag/table_tasks.h"
#include "ops/embedding_update/lookup_sort.h"

namespace dlrm {

// The sums of a table that is not sorted.
struct UpdateSums {
  int64_t slices;  // 0: it is
  float* sums;
  uint8_t* touched;
};

struct UpdateScratch {
  UpdateColumn* columns;  // [K], those of a table side by side
  LookupSort* sorts;      // [T]
  UpdateSums* sums;             // [T]
  TableTasks first;       // slices of sums, and sorts of one slice
  TableTasks slices;      // of the sorts of several slices
  TableTasks chunks;      // of the lookups, or of the rows with sums
  TableTasks whole;       // of the rows of sorted tables, unless lazy
  float* gradients;       // [most of chunks, whole and T][gradient_stride]
  double* squares;        // [chunks], if they are asked for
  int64_t gradient_stride;
  int passes;             // of the table of several slices that has most
  size_t bytes;
};

}  // namespace dlrm
