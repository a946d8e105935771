#include "selftest.h"

REPHASE_LOCAL void rephase_selftest_fill(float *values, int64_t begin, int64_t count, uint64_t seed) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t z = seed + ((uint64_t)(begin + i) + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    values[i] = (float)(z >> 40) * 0x1p-24f;
  }
}
