/* The input of the self-test, made the same way by the compiler and by the library. */
#ifndef REPHASE_SELFTEST_H
#define REPHASE_SELFTEST_H

#include "parallel.h"

/*
 * Fills the elements `begin` ..< `begin + count` of an input with floats in [0, 1): element i is
 * (splitmix64's output number i from `seed`) >> 40, times 2^-24. That is:
 * z = seed + (i + 1) * 0x9E3779B97F4A7C15 (mod 2^64); z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
 * z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^= z >> 31. Input number k of a model is filled with
 * seed k. On CPUs the SHA-256 of the bytes of all outputs, one after the other, is compared; on GPUs,
 * samples of them, within the promise.
 */
REPHASE_LOCAL void rephase_selftest_fill(float *values, int64_t begin, int64_t count, uint64_t seed);

#endif
