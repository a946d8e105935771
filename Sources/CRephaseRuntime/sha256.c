/* SHA-256, FIPS 180-4 sections 4.1.2, 5.1.1 and 6.2. */
#include "sha256.h"

#include <string.h>

static const uint32_t rephase_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rephase_rotate(uint32_t x, int count) { return x >> count | x << (32 - count); }

/* Expands one block of 64 bytes to the message schedule. */
static void rephase_sha256_schedule(const uint8_t *block, uint32_t w[64]) {
  for (int i = 0; i < 16; i++) {
    const uint8_t *b = block + 4 * i;
    w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    uint32_t s0 = rephase_rotate(x, 7) ^ rephase_rotate(x, 18) ^ x >> 3;
    uint32_t s1 = rephase_rotate(y, 17) ^ rephase_rotate(y, 19) ^ y >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
}

static void rephase_sha256_block(uint32_t hash[8], const uint8_t *block) {
  uint32_t w[64], v[8];
  rephase_sha256_schedule(block, w);
  memcpy(v, hash, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t a = v[0], e = v[4];
    uint32_t s1 = rephase_rotate(e, 6) ^ rephase_rotate(e, 11) ^ rephase_rotate(e, 25);
    uint32_t choose = (e & v[5]) ^ (~e & v[6]);
    uint32_t t1 = v[7] + s1 + choose + rephase_sha256_constants[i] + w[i];
    uint32_t s0 = rephase_rotate(a, 2) ^ rephase_rotate(a, 13) ^ rephase_rotate(a, 22);
    uint32_t majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += t1;
    v[0] = t1 + s0 + majority;
  }
  for (int i = 0; i < 8; i++) hash[i] += v[i];
}

REPHASE_LOCAL void rephase_sha256_begin(rephase_sha256_state *state) {
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(state->hash, initial, sizeof initial);
  state->length = 0;
}

REPHASE_LOCAL void rephase_sha256_add(rephase_sha256_state *state, const void *bytes,
                                      size_t count) {
  const uint8_t *next = bytes;
  while (count > 0) {
    size_t used = state->length % 64;
    if (used == 0 && count >= 64) {
      rephase_sha256_block(state->hash, next);
      state->length += 64, next += 64, count -= 64;
      continue;
    }
    size_t part = 64 - used < count ? 64 - used : count;
    memcpy(state->block + used, next, part);
    state->length += part, next += part, count -= part;
    if (state->length % 64 == 0) rephase_sha256_block(state->hash, state->block);
  }
}

REPHASE_LOCAL void rephase_sha256_end(rephase_sha256_state *state,
                                      uint8_t digest[REPHASE_SHA256_BYTES]) {
  static const uint8_t padding[64] = {0x80};
  uint64_t bits = state->length * 8;
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  size_t used = state->length % 64;
  rephase_sha256_add(state, padding, used < 56 ? 56 - used : 120 - used);
  rephase_sha256_add(state, length, sizeof length);
  for (int i = 0; i < REPHASE_SHA256_BYTES; i++)
    digest[i] = (uint8_t)(state->hash[i / 4] >> (24 - 8 * (i % 4)));
}

REPHASE_LOCAL void rephase_sha256(const void *bytes, size_t count,
                                  uint8_t digest[REPHASE_SHA256_BYTES]) {
  rephase_sha256_state state;
  rephase_sha256_begin(&state);
  rephase_sha256_add(&state, bytes, count);
  rephase_sha256_end(&state, digest);
}
