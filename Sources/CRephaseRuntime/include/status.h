/* What each status means, for people. */
#ifndef REPHASE_STATUS_H
#define REPHASE_STATUS_H

#include "parallel.h"

/* One English sentence, never NULL. */
REPHASE_LOCAL const char *rephase_status_text(rephase_status status);

#endif
