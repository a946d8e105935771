#include "rephase_dicom.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <vector>

struct rephase_dicom {
  DcmFileFormat file;
  std::string syntax;
};

namespace {

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
  });
}

int integer(DcmItem *item, const DcmTagKey &tag, int otherwise) {
  Uint16 value = 0;
  return item->findAndGetUint16(tag, value).good() ? value : otherwise;
}

bool find(DcmItem *item, const DcmTagKey &tag, int frame, OFString &value) {
  if (item->findAndGetOFStringArray(tag, value).good() && !value.empty()) return true;
  DcmItem *group = nullptr;
  if (item->findAndGetSequenceItem(DCM_PerFrameFunctionalGroupsSequence, group, frame).good() &&
      group->findAndGetOFStringArray(tag, value, OFTrue).good() && !value.empty())
    return true;
  return item->findAndGetSequenceItem(DCM_SharedFunctionalGroupsSequence, group, 0).good() &&
         group->findAndGetOFStringArray(tag, value, OFTrue).good() && !value.empty();
}

bool decode(DcmDataset *dataset) {
  return dataset->chooseRepresentation(EXS_LittleEndianExplicit, nullptr).good() &&
         dataset->canWriteXfer(EXS_LittleEndianExplicit);
}

// Stored bits as numbers.
int32_t value(uint32_t word, const rephase_dicom_info &info) {
  const uint32_t mask = (1u << info.bits_stored) - 1;
  word &= mask;
  const bool is_negative = info.is_signed && (word >> (info.bits_stored - 1) & 1);
  return is_negative ? static_cast<int32_t>(word | ~mask) : static_cast<int32_t>(word);
}

std::vector<double> numbers(const OFString &text) {
  std::vector<double> values;
  const char *rest = text.c_str();
  while (*rest) {
    char *end = nullptr;
    const double number = std::strtod(rest, &end);
    if (end == rest) break;
    values.push_back(number);
    rest = *end == '\\' ? end + 1 : end;
  }
  return values;
}

// Moves the position of the first pixel along with the crop.
void move_origin(DcmItem *item, DcmItem *source, int frame, const rephase_dicom_derived &image) {
  OFString position, orientation, spacing;
  if (!find(source, DCM_ImagePositionPatient, frame, position) ||
      !find(source, DCM_ImageOrientationPatient, frame, orientation) ||
      !find(source, DCM_PixelSpacing, frame, spacing))
    return;
  std::vector<double> origin = numbers(position), axes = numbers(orientation),
                      step = numbers(spacing);
  if (origin.size() != 3 || axes.size() != 6 || step.size() != 2) return;
  std::string moved;
  for (int i = 0; i < 3; i++) {
    // The first three cosines run along a row, whose pixels are step[1] apart.
    const double at = origin[i] + axes[i] * step[1] * image.first_column +
                      axes[i + 3] * step[0] * image.first_row;
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", at);
    moved += (i ? "\\" : "") + std::string(text);
  }
  item->putAndInsertString(DCM_ImagePositionPatient, moved.c_str());
}

void move_origins(DcmDataset *dataset, DcmDataset *source, const rephase_dicom_derived &image) {
  if (dataset->tagExists(DCM_ImagePositionPatient)) move_origin(dataset, source, 0, image);
  for (int frame = 0; frame < image.frames; frame++) {
    DcmItem *group = nullptr, *plane = nullptr;
    if (dataset->findAndGetSequenceItem(DCM_PerFrameFunctionalGroupsSequence, group, frame).good() &&
        group->findAndGetSequenceItem(DCM_PlanePositionSequence, plane, 0).good())
      move_origin(plane, source, frame, image);
  }
}

void put_number(DcmItem *item, const DcmTagKey &tag, double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", number);
  item->putAndInsertString(tag, text);
}

// Removes what described the source's pixels, wherever it stands.
void forget_pixels(DcmDataset *dataset) {
  const DcmTagKey tags[] = {
      DCM_PixelData,         DCM_SmallestImagePixelValue,    DCM_LargestImagePixelValue,
      DCM_PixelPaddingValue, DCM_PixelPaddingRangeLimit,     DCM_WindowCenter,
      DCM_WindowWidth,       DCM_WindowCenterWidthExplanation, DCM_RescaleSlope,
      DCM_RescaleIntercept,  DCM_RescaleType,                DCM_PixelValueTransformationSequence,
      DCM_FrameVOILUTSequence, DCM_IconImageSequence,        DCM_SmallestPixelValueInSeries,
      DCM_LargestPixelValueInSeries};
  for (const DcmTagKey &tag : tags) dataset->findAndDeleteElement(tag, OFTrue, OFTrue);
}

// Whether attributes of pixels stand in functional groups; classic files may have empty groups, too.
bool is_enhanced(DcmDataset *dataset) {
  OFString kind;
  dataset->findAndGetOFString(DCM_SOPClassUID, kind);
  return kind == UID_EnhancedMRImageStorage || kind == UID_LegacyConvertedEnhancedMRImageStorage;
}

void describe_pixels(DcmDataset *dataset, const rephase_dicom_derived &image) {
  dataset->putAndInsertUint16(DCM_Rows, static_cast<Uint16>(image.rows));
  dataset->putAndInsertUint16(DCM_Columns, static_cast<Uint16>(image.columns));
  dataset->putAndInsertUint16(DCM_SamplesPerPixel, 1);
  dataset->putAndInsertUint16(DCM_BitsAllocated, 16);
  dataset->putAndInsertUint16(DCM_BitsStored, 16);
  dataset->putAndInsertUint16(DCM_HighBit, 15);
  dataset->putAndInsertUint16(DCM_PixelRepresentation, 0);
  dataset->putAndInsertString(DCM_PhotometricInterpretation, "MONOCHROME2");
  DcmItem *target = dataset;
  if (is_enhanced(dataset)) {
    DcmItem *group = nullptr;
    if (dataset->findOrCreateSequenceItem(DCM_SharedFunctionalGroupsSequence, group, 0).good())
      group->findOrCreateSequenceItem(DCM_PixelValueTransformationSequence, target, 0);
  }
  put_number(target, DCM_RescaleSlope, image.slope);
  put_number(target, DCM_RescaleIntercept, image.intercept);
  target->putAndInsertString(DCM_RescaleType, "US");
}

void describe_derivation(DcmDataset *dataset, DcmDataset *source,
                         const rephase_dicom_derived &image) {
  OFString source_class, source_instance, kind;
  source->findAndGetOFString(DCM_SOPClassUID, source_class);
  source->findAndGetOFString(DCM_SOPInstanceUID, source_instance);
  source->findAndGetOFStringArray(DCM_ImageType, kind);
  const size_t third = kind.find('\\', kind.find('\\') == OFString_npos ? kind.length()
                                                                          : kind.find('\\') + 1);
  std::string type = "DERIVED\\SECONDARY";
  if (third != OFString_npos) type += kind.substr(third).c_str();
  dataset->putAndInsertString(DCM_ImageType, type.c_str());
  dataset->putAndInsertString(DCM_SOPInstanceUID, image.instance_uid);
  dataset->putAndInsertString(DCM_SeriesInstanceUID, image.series_uid);
  dataset->putAndInsertString(DCM_SeriesDescription, image.description);
  dataset->putAndInsertString(DCM_DerivationDescription, image.description);
  dataset->putAndInsertString(DCM_InstanceNumber, std::to_string(image.instance_number).c_str());
  DcmItem *reference = nullptr;
  dataset->findAndDeleteElement(DCM_SourceImageSequence);
  if (dataset->findOrCreateSequenceItem(DCM_SourceImageSequence, reference, 0).good()) {
    reference->putAndInsertString(DCM_ReferencedSOPClassUID, source_class.c_str());
    reference->putAndInsertString(DCM_ReferencedSOPInstanceUID, source_instance.c_str());
  }
}

}  // namespace

rephase_dicom *rephase_dicom_open(const char *path) try {
  prepare_library();
  rephase_dicom *file = new rephase_dicom;
  if (file->file.loadFile(path).bad()) {
    delete file;
    return nullptr;
  }
  file->syntax = DcmXfer(file->file.getDataset()->getOriginalXfer()).getXferName();
  return file;
} catch (...) {
  return nullptr;
}

void rephase_dicom_close(rephase_dicom *file) { delete file; }

const char *rephase_dicom_syntax(rephase_dicom *file) { return file->syntax.c_str(); }

int rephase_dicom_describe(rephase_dicom *file, rephase_dicom_info *info) try {
  DcmDataset *dataset = file->file.getDataset();
  Sint32 frames = 1;
  if (dataset->findAndGetSint32(DCM_NumberOfFrames, frames).bad()) frames = 1;
  info->rows = integer(dataset, DCM_Rows, 0);
  info->columns = integer(dataset, DCM_Columns, 0);
  info->frames = frames;
  info->samples_per_pixel = integer(dataset, DCM_SamplesPerPixel, 1);
  info->bits_allocated = integer(dataset, DCM_BitsAllocated, 16);
  info->bits_stored = integer(dataset, DCM_BitsStored, info->bits_allocated);
  info->is_signed = integer(dataset, DCM_PixelRepresentation, 0);
  return dataset->tagExists(DCM_PixelData) && info->rows > 0 && info->columns > 0 && frames > 0;
} catch (...) {
  return 0;
}

int rephase_dicom_pixels(rephase_dicom *file, int32_t *values, int64_t count) try {
  rephase_dicom_info info;
  DcmDataset *dataset = file->file.getDataset();
  if (!rephase_dicom_describe(file, &info) || !decode(dataset) || info.bits_stored < 1 ||
      info.bits_stored > info.bits_allocated || info.bits_allocated > 16)
    return 0;
  unsigned long found = 0;
  if (info.bits_allocated == 16) {
    const Uint16 *words = nullptr;
    if (dataset->findAndGetUint16Array(DCM_PixelData, words, &found).bad() || words == nullptr ||
        found != static_cast<unsigned long>(count))
      return 0;
    for (int64_t i = 0; i < count; i++) values[i] = value(words[i], info);
    return 1;
  }
  const Uint8 *bytes = nullptr;
  // A value of odd length is padded by a byte.
  if (info.bits_allocated != 8 ||
      dataset->findAndGetUint8Array(DCM_PixelData, bytes, &found).bad() || bytes == nullptr ||
      found != static_cast<unsigned long>(count + count % 2))
    return 0;
  for (int64_t i = 0; i < count; i++) values[i] = value(bytes[i], info);
  return 1;
} catch (...) {
  return 0;
}

int rephase_dicom_text(rephase_dicom *file, uint16_t group, uint16_t element, int frame, char *text,
                       size_t size) try {
  OFString found;
  if (!find(file->file.getDataset(), DcmTagKey(group, element), frame, found)) return 0;
  if (found.length() >= size) return 0;
  std::memcpy(text, found.c_str(), found.length() + 1);
  return 1;
} catch (...) {
  return 0;
}

int rephase_dicom_write(rephase_dicom *source, const rephase_dicom_derived *image,
                        const char *path) try {
  DcmFileFormat file(source->file);
  DcmDataset *dataset = file.getDataset();
  forget_pixels(dataset);
  describe_pixels(dataset, *image);
  describe_derivation(dataset, source->file.getDataset(), *image);
  move_origins(dataset, source->file.getDataset(), *image);
  const unsigned long count =
      static_cast<unsigned long>(image->rows) * image->columns * image->frames;
  if (dataset->putAndInsertUint16Array(DCM_PixelData, image->pixels, count).bad()) return 0;
  return file.saveFile(path, EXS_LittleEndianExplicit, EET_ExplicitLength, EGL_recalcGL).good();
} catch (...) {
  return 0;
}
