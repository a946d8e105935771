// DICOM images through DCMTK: all transfer syntaxes that it decodes (RLE, JPEG, JPEG-LS, big endian, ...), single and
// enhanced multi-frame. No function throws, prints or aborts.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rephase_dicom rephase_dicom;

typedef struct {
  int rows;
  int columns;
  int frames;
  int samples_per_pixel;
  int bits_allocated;
  int bits_stored;
  int is_signed;
} rephase_dicom_info;

// The opened file, or NULL where it is no DICOM file or cut off.
rephase_dicom *rephase_dicom_open(const char *path);
void rephase_dicom_close(rephase_dicom *file);

// 0 where the file holds no image.
int rephase_dicom_describe(rephase_dicom *file, rephase_dicom_info *info);

// Copies the stored values of all frames, row by row; 0 where there are not exactly `count`, or they cannot be decoded.
int rephase_dicom_pixels(rephase_dicom *file, int32_t *values, int64_t count);

// The value of an attribute: of the file, or of a frame's or the shared functional groups. 0 where there is none.
int rephase_dicom_text(rephase_dicom *file, uint16_t group, uint16_t element, int frame, char *text,
                       size_t size);

// The name of the transfer syntax.
const char *rephase_dicom_syntax(rephase_dicom *file);

// An image made of a source image: one frame, or as many as the source has.
typedef struct {
  int rows;
  int columns;
  int frames;
  // The source's row and column of the first pixel; negative where the image was padded.
  int first_row;
  int first_column;
  const uint16_t *pixels;
  double slope;
  double intercept;
  const char *instance_uid;
  const char *series_uid;
  int instance_number;
  const char *description;
} rephase_dicom_derived;

// Writes a derived image (PS3.3 C.7.6.1.1.2) with the source's patient, study and geometry; 0 where it cannot.
int rephase_dicom_write(rephase_dicom *source, const rephase_dicom_derived *image,
                        const char *path);

#ifdef __cplusplus
}
#endif
