// nifti2_io.h asks for this name; Debian has it in a folder.
#pragma once
#include <nifti/znzlib.h>
