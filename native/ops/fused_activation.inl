// Fused activations over Vec. Include behind simd_math.inl, in the same region.

template <Activation A>
DLRM_INLINE Vec activated(Vec z) {
  if (A == Activation::relu) return max(zero(), z);
  if (A == Activation::sigmoid) return sigmoid(z);
  if (A == Activation::tanh) return tanh(z);
  return z;
}

// dy times the slope: of relu told from z, of the others from y.
template <Activation A>
DLRM_INLINE Vec times_slope(Vec dy, Vec z, Vec y) {
  if (A == Activation::relu) return where_positive(z, dy);
  if (A == Activation::sigmoid) return dy * (y * (set1(1.0f) - y));
  if (A == Activation::tanh) return dy * (set1(1.0f) - y * y);
  return dy;
}

// Body<activation, drops>::run(args...)
template <template <Activation, bool> class Body, Activation A, class... Args>
DLRM_INLINE void run_with(bool drops, const Args&... args) {
  drops ? Body<A, true>::run(args...) : Body<A, false>::run(args...);
}
template <template <Activation, bool> class Body, class... Args>
DLRM_INLINE void run_with(Activation activation, bool drops, const Args&... args) {
  if (activation == Activation::relu) return run_with<Body, Activation::relu>(drops, args...);
  if (activation == Activation::sigmoid) return run_with<Body, Activation::sigmoid>(drops, args...);
  if (activation == Activation::tanh) return run_with<Body, Activation::tanh>(drops, args...);
  run_with<Body, Activation::none>(drops, args...);
}
