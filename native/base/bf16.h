// bfloat16: the upper half of a float32, 8 significant bits. Stored as uint16_t.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/target.h"

namespace dlrm {

DLRM_HOST_DEVICE inline float from_bf16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// To nearest, ties to even; a NaN stays one.
DLRM_HOST_DEVICE inline uint16_t to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace dlrm
