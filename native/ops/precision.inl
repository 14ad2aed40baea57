// Rounding. Included once per ISA, behind simd_bf16_<isa>.h.

void round(const float* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + Vec::W <= count; i += Vec::W) store(to + i, round_bf16(load(from + i)));
  const int rest = static_cast<int>(count - i);
  if (rest) store_n(to + i, round_bf16(load_n(from + i, rest)), rest);
}
