// NIfTI headers through niftilib's nifti2_io, which knows versions 1 and 2 and both byte orders.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Where voxels lie in the scanner's or another space, as one of the header's two ways has it: the rows of the matrix from
// indices (i, j, k, 1) to millimetres. A code of 0 or less says that it is not known.
typedef struct {
  int code;
  double rows[12];
} rephase_nifti_transform;

// What a header says. Extents count the fastest dimension first; `datatype` is one of nifti1.h's codes.
typedef struct {
  int version;
  int is_pair;
  int is_swapped;
  int rank;
  int64_t extents[7];
  int datatype;
  int bytes_per_value;
  int64_t offset;
  double slope;
  double intercept;
  double spacing[3];
  // From frame to frame; 0 where that is not known.
  double frame_seconds;
  // By quaternion (qform) and by matrix (sform).
  rephase_nifti_transform quaternion;
  rephase_nifti_transform matrix;
} rephase_nifti_header;

// Longer than a header of either version.
enum { REPHASE_NIFTI_PREFIX = 544 };

// Whether a file that begins with these bytes says that it is NIfTI.
int rephase_nifti_is(const uint8_t *bytes, size_t count);

// 1 and a filled header, or 0 where the header cannot be.
int rephase_nifti_parse(const uint8_t *bytes, size_t count, rephase_nifti_header *header);

// Writes the 352 bytes before the float32 data of a NIfTI-1 file: a header and no extensions.
int rephase_nifti_make(const int64_t extents[4], const double spacing[3], double frame_seconds,
                       const rephase_nifti_transform *quaternion,
                       const rephase_nifti_transform *matrix, uint8_t bytes[352]);
