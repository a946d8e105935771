#ifndef REPHASE_TRAINED_WEIGHTS_H
#define REPHASE_TRAINED_WEIGHTS_H

#include <stddef.h>

/// A weight file (safetensors) that is part of the program.
typedef struct {
  /// The network's name.
  const char *network;
  const unsigned char *bytes;
  size_t count;
} rephase_trained_weights;

/// All there are; the one after the last has a `network` that is NULL.
const rephase_trained_weights *rephase_trained_weight_files(void);

#endif
