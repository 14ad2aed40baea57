// Rounding in place. Included once per ISA, behind simd_bf16_<isa>.h.

void round(float* values, int64_t count) {
  int64_t i = 0;
  for (; i + Vec::W <= count; i += Vec::W) store(values + i, round_bf16(load(values + i)));
  const int rest = static_cast<int>(count - i);
  if (rest) store_n(values + i, round_bf16(load_n(values + i, rest)), rest);
}
