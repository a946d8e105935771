#include <hdf5.h>

// Types and property lists that hdf5.h gives as macros, which Swift does not see.
static inline hid_t rephase_h5_u8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t rephase_h5_i16(void) { return H5T_NATIVE_INT16; }
static inline hid_t rephase_h5_u16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t rephase_h5_i32(void) { return H5T_NATIVE_INT32; }
static inline hid_t rephase_h5_i64(void) { return H5T_NATIVE_INT64; }
static inline hid_t rephase_h5_u32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t rephase_h5_u64(void) { return H5T_NATIVE_UINT64; }
static inline hid_t rephase_h5_f32(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t rephase_h5_f64(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t rephase_h5_c_string(void) { return H5T_C_S1; }
static inline hid_t rephase_h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t rephase_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline unsigned rephase_h5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned rephase_h5_truncate(void) { return H5F_ACC_TRUNC; }
static inline size_t rephase_h5_variable(void) { return H5T_VARIABLE; }

// Failures are told by status and said by Rephase; the library is to print none.
static inline void rephase_h5_silence(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

// Whether the name is of a dataset, even of one that cannot be opened.
static inline int rephase_h5_is_dataset(hid_t file, const char *name) {
  H5O_info_t info;
  return H5Oget_info_by_name(file, name, &info, H5P_DEFAULT) >= 0 && info.type == H5O_TYPE_DATASET;
}
