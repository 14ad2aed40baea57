// Numbers of 16 bits, stored as uint16_t: bf16 (bf16.h); f16 is IEEE binary16, whose multiples of 2^-24 below 2^-14 are
// all kept. To nearest, ties to even; or stochastically: up or down with the probability that makes the mean exact.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/bf16.h"

namespace dlrm {

DLRM_HOST_DEVICE inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
DLRM_HOST_DEVICE inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

constexpr uint32_t kFloatMagnitude = 0x7fffffff, kFloatInfinity = 0x7f800000;
constexpr uint32_t kF16Normal = 0x38800000;    // 2^-14: below it f16 has a fixed point
constexpr uint32_t kF16Overflow = 0x47800000;  // 2^16, beyond all that f16 has

DLRM_HOST_DEVICE inline float from_f16(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) return float_of(sign | kFloatInfinity | (rest & 0x3ff) << 13);
  if (rest < 0x400) return float_of(sign | bits_of(static_cast<float>(rest) * 0x1p-24f));
  return float_of(sign | ((rest << 13) + 0x38000000));
}
DLRM_HOST_DEVICE inline uint16_t to_f16(float x) {
  const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, m = bits & kFloatMagnitude;
  if (m > kFloatInfinity) return static_cast<uint16_t>(sign | 0x7e00 | (m >> 13 & 0x3ff));
  if (m >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // 65520 and above
  // The addition of 1/2, whose last place is 2^-24, rounds.
  if (m < kF16Normal) return static_cast<uint16_t>(sign | (bits_of(float_of(m) + 0.5f) - 0x3f000000));
  return static_cast<uint16_t>(sign | (m + 0xfff + (m >> 13 & 1) - 0x38000000) >> 13);
}

// Stochastic: `random` is a word of which the upper bits are used. What overflows the largest f16 stays there.
DLRM_HOST_DEVICE inline uint16_t to_bf16(float x, uint32_t random) {
  const uint32_t bits = bits_of(x);
  const bool finite = (bits & kFloatMagnitude) < kFloatInfinity;
  return static_cast<uint16_t>((bits + (finite ? random >> 16 : 0)) >> 16);
}
DLRM_HOST_DEVICE inline uint16_t to_f16(float x, uint32_t random) {
  const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, m = bits & kFloatMagnitude, low = random >> 19;
  if (m >= kF16Overflow) return m >= kFloatInfinity ? to_f16(x) : static_cast<uint16_t>(sign | 0x7bff);
  if (m >= kF16Normal) {
    const uint32_t up = (m + low - 0x38000000) >> 13;
    return static_cast<uint16_t>(sign | (up < 0x7c00 ? up : 0x7bff));
  }
  return static_cast<uint16_t>(sign | static_cast<uint32_t>((float_of(m) + static_cast<float>(low) * 0x1p-37f) * 0x1p24f));
}

// The random words of stochastic rounding of one table in one step: a pure function of (key, row, column), the key being
// made of the model's, the table's name and the step. Mixed by multiplications, since a Philox block per element would take
// longer than the update itself.
struct RoundingKey {
  uint64_t key = 0;

  // Of a row; the finaliser of MurmurHash3.
  DLRM_HOST_DEVICE uint64_t row(int64_t r) const {
    uint64_t h = key + static_cast<uint64_t>(r) * 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
    return h ^ h >> 33;
  }
};
DLRM_HOST_DEVICE inline uint32_t rounding_word(uint64_t row, uint32_t column) {
  uint32_t h = static_cast<uint32_t>(row) + column * 0x9e3779b9u;
  h = (h ^ h >> 16) * 0x7feb352du ^ static_cast<uint32_t>(row >> 32);
  h = (h ^ h >> 15) * 0x846ca68bu;
  return h ^ h >> 16;
}

}  // namespace dlrm
