// Cuts the bags of one column into chunks of nearly equal work: work is a place for each bag and for each of its lookups,
// bag after bag, bag b's from offsets[b] + b on. A chunk has the bags that begin in it. Of a giant bag, longer than any
// chunk, it has those lookups that lie in it: up to one such bag reaches into it, and the last that begins in it may be one.
#pragma once
#include <algorithm>

#include "base/view.h"

namespace dlrm {

// Lookups [begin, end) of a giant bag; bag -1: none.
struct BagPart {
  int64_t bag = -1;
  int64_t begin = 0, end = 0;
};

struct BagCut {
  Range bags;          // whole bags
  BagPart head, tail;  // of a giant bag that began before, and of one that begins here
};

struct BagCutter {
  const int32_t* offsets;  // [batch + 1]
  int64_t batch, chunks, giant;  // a bag of more lookups than `giant` is one; no chunk has more work

  Range work(int64_t chunk) const { return chunk_range(offsets[batch] + batch, chunks, chunk); }
  int64_t lookups(int64_t bag) const { return offsets[bag + 1] - offsets[bag]; }

  BagCut cut(int64_t chunk) const {
    const Range range = work(chunk);
    BagCut cut{{first_bag(range.begin), first_bag(range.end)}, {}, {}};
    const int64_t before = cut.bags.begin - 1, last = cut.bags.end - 1;
    if (before >= 0 && lookups(before) > giant) cut.head = part(before, range);
    if (last > before && lookups(last) > giant) {
      cut.tail = part(last, range);
      --cut.bags.end;
    }
    return cut;
  }

  // Does the bag reach into this chunk?
  bool reaches(int64_t bag, int64_t chunk) const { return chunk < chunks && work(chunk).begin < offsets[bag + 1] + bag; }

 private:
  BagPart part(int64_t bag, Range work) const {
    const BagPart part{bag, std::max<int64_t>(offsets[bag], work.begin - bag), std::min<int64_t>(offsets[bag + 1], work.end - bag)};
    return part.begin < part.end ? part : BagPart{};
  }

  // The first bag that begins at or behind this place.
  int64_t first_bag(int64_t work) const {
    int64_t low = 0, high = batch;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (offsets[middle] + middle < work)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
};

}  // namespace dlrm
