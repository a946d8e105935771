#include "rephase_nifti.h"

#include <nifti/nifti2_io.h>
#include <string.h>

static int is_version_1(const uint8_t *bytes, size_t count) {
  return count >= 348 &&
         (memcmp(bytes + 344, "n+1", 4) == 0 || memcmp(bytes + 344, "ni1", 4) == 0);
}

static int is_version_2(const uint8_t *bytes, size_t count) {
  return count >= 540 && (memcmp(bytes + 4, "n+2", 4) == 0 || memcmp(bytes + 4, "ni2", 4) == 0);
}

int rephase_nifti_is(const uint8_t *bytes, size_t count) {
  return is_version_1(bytes, count) || is_version_2(bytes, count);
}

// The library prints what it finds wrong; so the same is looked for before it is asked.
static int is_sound(int64_t rank, const int64_t *extents, int datatype) {
  int bytes_per_value = 0, swap_size = 0;
  nifti_datatype_sizes(datatype, &bytes_per_value, &swap_size);
  if (rank < 1 || rank > 7 || bytes_per_value < 1) return 0;
  for (int64_t i = 0; i < rank; i++)
    if (extents[i] < 1 || extents[i] > INT32_MAX) return 0;
  return 1;
}

static nifti_image *image_1(const uint8_t *bytes, int *is_swapped) {
  nifti_1_header header, probe;
  memcpy(&header, bytes, sizeof header);
  probe = header;
  *is_swapped = header.dim[0] < 1 || header.dim[0] > 7;
  if (*is_swapped) swap_nifti_header(&probe, 1);
  int64_t extents[7];
  for (int i = 0; i < 7; i++) extents[i] = probe.dim[i + 1];
  if (probe.sizeof_hdr != 348 || !is_sound(probe.dim[0], extents, probe.datatype)) return NULL;
  return nifti_convert_n1hdr2nim(header, "scan.nii");
}

static nifti_image *image_2(const uint8_t *bytes, int *is_swapped) {
  nifti_2_header header, probe;
  memcpy(&header, bytes, sizeof header);
  probe = header;
  *is_swapped = header.dim[0] < 1 || header.dim[0] > 7;
  if (*is_swapped) swap_nifti_header(&probe, 2);
  if (probe.sizeof_hdr != 540 || !is_sound(probe.dim[0], probe.dim + 1, probe.datatype))
    return NULL;
  return nifti_convert_n2hdr2nim(header, "scan.nii");
}

static double frame_seconds(const nifti_image *image) {
  if (image->ndim < 4 || !(image->pixdim[4] > 0)) return 0;
  switch (image->time_units) {
    case NIFTI_UNITS_SEC: return image->pixdim[4];
    case NIFTI_UNITS_MSEC: return image->pixdim[4] * 1e-3;
    case NIFTI_UNITS_USEC: return image->pixdim[4] * 1e-6;
    default: return 0;
  }
}

static rephase_nifti_transform transform(int code, nifti_dmat44 matrix) {
  rephase_nifti_transform result = {code, {0}};
  for (int i = 0; i < 12; i++) result.rows[i] = matrix.m[i / 4][i % 4];
  return result;
}

static nifti_dmat44 matrix_of(const rephase_nifti_transform *transform) {
  nifti_dmat44 matrix;
  for (int i = 0; i < 16; i++) matrix.m[i / 4][i % 4] = i < 12 ? transform->rows[i] : i == 15;
  return matrix;
}

int rephase_nifti_parse(const uint8_t *bytes, size_t count, rephase_nifti_header *header) {
  nifti_set_debug_level(0);
  memset(header, 0, sizeof *header);
  header->version = is_version_2(bytes, count) ? 2 : 1;
  if (!rephase_nifti_is(bytes, count)) return 0;
  nifti_image *image = header->version == 2 ? image_2(bytes, &header->is_swapped)
                                            : image_1(bytes, &header->is_swapped);
  if (image == NULL) return 0;
  const char *magic = (const char *)bytes + (header->version == 2 ? 4 : 344);
  header->is_pair = magic[1] == 'i';
  header->rank = (int)image->ndim;
  for (int i = 0; i < 7; i++) header->extents[i] = i < image->ndim ? image->dim[i + 1] : 1;
  header->datatype = image->datatype;
  header->bytes_per_value = image->nbyper;
  header->offset = image->iname_offset;
  header->slope = image->scl_slope;
  header->intercept = image->scl_inter;
  for (int i = 0; i < 3; i++) header->spacing[i] = image->pixdim[i + 1];
  header->frame_seconds = frame_seconds(image);
  header->quaternion = transform(image->qform_code, image->qto_xyz);
  header->matrix = transform(image->sform_code, image->sto_xyz);
  nifti_image_free(image);
  return 1;
}

int rephase_nifti_make(const int64_t extents[4], const double spacing[3], double frame_seconds,
                       const rephase_nifti_transform *quaternion,
                       const rephase_nifti_transform *matrix, uint8_t bytes[352]) {
  int64_t dims[8] = {4, extents[0], extents[1], extents[2], extents[3], 1, 1, 1};
  nifti_set_debug_level(0);
  nifti_image *image = nifti_make_new_nim(dims, DT_FLOAT32, 0);
  if (image == NULL) return 0;
  for (int i = 0; i < 3; i++) image->pixdim[i + 1] = spacing[i];
  image->dx = spacing[0];
  image->dy = spacing[1];
  image->dz = spacing[2];
  if (quaternion->code > 0) {
    image->qform_code = quaternion->code;
    image->qto_xyz = matrix_of(quaternion);
    nifti_dmat44_to_quatern(image->qto_xyz, &image->quatern_b, &image->quatern_c,
                            &image->quatern_d, &image->qoffset_x, &image->qoffset_y,
                            &image->qoffset_z, NULL, NULL, NULL, &image->qfac);
  }
  if (matrix->code > 0) {
    image->sform_code = matrix->code;
    image->sto_xyz = matrix_of(matrix);
  }
  if (frame_seconds > 0) {
    image->pixdim[4] = image->dt = frame_seconds;
    image->time_units = NIFTI_UNITS_SEC;
  }
  image->xyz_units = NIFTI_UNITS_MM;
  image->nifti_type = NIFTI_FTYPE_NIFTI1_1;
  nifti_1_header header;
  memset(&header, 0, sizeof header);
  int failed = nifti_convert_nim2n1hdr(image, &header);
  nifti_image_free(image);
  if (failed) return 0;
  header.vox_offset = 352;
  memset(bytes, 0, 352);
  memcpy(bytes, &header, sizeof header);
  return 1;
}
