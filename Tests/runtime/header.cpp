// The headers of two models in one C++ host.
#include "alpha.h"
#include "beta.h"

#include <cstdio>

int main() {
  alpha_options options = {};
  options.size = sizeof options;
  beta_options *same = &options;
  rephase_status status = alpha_create(nullptr, 0, nullptr, 0, same);
  std::printf("C++: %s\n", beta_status_text(status));
  return status == REPHASE_NULL_POINTER ? 0 : 1;
}
