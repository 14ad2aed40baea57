// Where the parts of a layer of cross_v2 lie: sizes alone, in floats.
#pragma once
#include <cstdint>

namespace dlrm {

struct CrossV2Shape {
  int64_t cols = 0, rank = 0, experts = 0;  // N, r (0: full), K (0: no mixture)
  int64_t strip = 1;                        // P

  int64_t pad(int64_t n) const { return (n + strip - 1) / strip * strip; }
  int64_t width() const { return pad(cols); }                                       // of x, z
  int64_t expert() const { return pad(rank); }                                      // of one expert's h
  int64_t hidden() const { return (experts ? experts : 1) * expert(); }             // of all experts' h
  int64_t projected() const { return hidden() + (experts ? pad(experts) : 0); }     // h, then the logits of the gates

  // Of Run::packed, one layer after the other: bias; full: W for each direction; else V with the gates and U for each
  // direction, C for each direction and expert, and V with the gates and U as plain matrices, padded.
  int64_t in_forward() const { return width(); }
  int64_t in_backward() const { return in_forward() + cols * (rank ? projected() : width()); }
  int64_t out_forward() const { return in_backward() + (rank ? projected() : cols) * width(); }
  int64_t out_backward() const { return out_forward() + (rank ? hidden() * width() : 0); }
  int64_t c_forward() const { return out_backward() + (rank ? cols * hidden() : 0); }
  int64_t c_backward() const { return c_forward() + experts * rank * expert(); }
  int64_t v_plain() const { return c_backward() + experts * rank * expert(); }
  int64_t u_plain() const { return v_plain() + (rank ? cols * projected() : 0); }
  int64_t packed_floats() const { return u_plain() + (rank ? cols * hidden() : 0); }
};

}  // namespace dlrm
