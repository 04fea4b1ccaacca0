// Vectors of floats and the functions that the kernels need, for whatever instruction set the
// including file is compiled for. Everything is in the namespace OXBOARD_ISA, so that the linker
// cannot mix two builds of one function.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef OXBOARD_ISA
#error "OXBOARD_ISA names the namespace of this build of the kernels"
#endif

namespace oxboard::kernels::OXBOARD_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));

inline Vec load(const float* address) {
  Vec value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

inline void store(float* address, Vec value) { std::memcpy(address, &value, sizeof value); }

// Minus, for adding a positive zero would change a negative one and costs an addition.
inline Vec splat(float value) { return value - Vec{}; }

inline Vec select(IntVec mask, Vec yes, Vec no) { return mask ? yes : no; }

inline float sum(Vec value) {
  float total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += value[lane];
  return total;
}

/** e^x for x up to 88, by Cephes' expf: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; 2 ulp. */
inline Vec expBelow88(Vec x) {
  x = x < -87.0f ? splat(-87.0f) : x;
  // Adding 1.5 * 2^23 rounds to the nearest integer, which is then in the lowest bits.
  const Vec shifted = x * 1.44269504088896341f + 12582912.0f;
  const Vec rounded = shifted - 12582912.0f;
  const Vec r = (x - rounded * 0.693359375f) + rounded * 2.12194440e-4f;
  Vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (Vec)(((IntVec)shifted + 127) << 23);
}

inline Vec exp(Vec x) { return expBelow88(x > 88.0f ? splat(88.0f) : x); }

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

/** x / 2 (1 + erf(x / sqrt 2)); erf by Abramowitz and Stegun 7.1.26, absolute error 1.5e-7. */
inline Vec gelu(Vec x) {
  const Vec z = x * 0.70710678118654752f;
  const Vec magnitude = select(z < Vec{}, -z, z);
  const Vec t = 1.0f / (1.0f + 0.3275911f * magnitude);
  Vec p = splat(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vec erf = 1.0f - p * t * expBelow88(-z * z);
  return 0.5f * x * (1.0f + select(z < Vec{}, -erf, erf));
}

}  // namespace oxboard::kernels::OXBOARD_ISA
