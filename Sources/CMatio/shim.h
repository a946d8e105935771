#include <matio.h>

static inline void rephase_matio_ignore(int level, char *message) {}

// Failures are told by null pointers and said by Rephase; the library is to print none.
static inline void rephase_matio_silence(void) { Mat_LogInitFunc("rephase", rephase_matio_ignore); }
