#include "CTrainedWeights.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char cascade5[] = {
#embed "cascade5.safetensors"
};

static const unsigned char resnet4[] = {
#embed "resnet4.safetensors"
};

static const rephase_trained_weights files[] = {
  {"cascade5", cascade5, sizeof cascade5},
  {"resnet4", resnet4, sizeof resnet4},
  {NULL, NULL, 0},
};

const rephase_trained_weights *rephase_trained_weight_files(void) { return files; }
