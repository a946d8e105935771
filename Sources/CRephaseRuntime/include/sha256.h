/* SHA-256 as in FIPS 180-4. */
#ifndef REPHASE_SHA256_H
#define REPHASE_SHA256_H

#include "parallel.h"

#define REPHASE_SHA256_BYTES 32

typedef struct rephase_sha256_state {
  uint32_t hash[8];
  uint64_t length;   /* bytes seen so far */
  uint8_t block[64]; /* the last length % 64 of them */
} rephase_sha256_state;

REPHASE_LOCAL void rephase_sha256_begin(rephase_sha256_state *state);
REPHASE_LOCAL void rephase_sha256_add(rephase_sha256_state *state, const void *bytes, size_t count);
REPHASE_LOCAL void rephase_sha256_end(rephase_sha256_state *state,
                                      uint8_t digest[REPHASE_SHA256_BYTES]);

/* The digest of `count` bytes; `bytes` may be NULL when count is 0. */
REPHASE_LOCAL void rephase_sha256(const void *bytes, size_t count,
                                  uint8_t digest[REPHASE_SHA256_BYTES]);

#endif
