import CHDF5
import Diagnostics

/// A member of a record: one number or a row of them.
public struct HDF5Member: Sendable {
  public enum Kind: Sendable {
    case uint16, uint32, uint64, int32, float32
  }

  public let name: String
  public let kind: Kind
  public let count: Int

  public init(_ name: String, _ kind: Kind, count: Int = 1) {
    self.name = name
    self.kind = kind
    self.count = count
  }

  var type: hid_t {
    switch kind {
    case .uint16: return rephase_h5_u16()
    case .uint32: return rephase_h5_u32()
    case .uint64: return rephase_h5_u64()
    case .int32: return rephase_h5_i32()
    case .float32: return rephase_h5_f32()
    }
  }
}

extension HDF5Writer {
  /// A list of records whose members lie without gaps in `bytes`, in this machine's byte order.
  public func write(
    records bytes: [UInt8], _ name: String, members: [HDF5Member]
  ) throws(Diagnostic) {
    let isWritten = library.withLock { _ in
      guard let type = Self.record(members) else { return false }
      let size = H5Tget_size(type.id)
      guard size > 0, bytes.count % size == 0,
        let space = HDF5Handle(
          H5Screate_simple(1, [hsize_t(bytes.count / size)], nil), H5Sclose),
        let options = HDF5Writer.datasetOptions(),
        let dataset = HDF5Handle(
          H5Dcreate2(id, name, type.id, space.id, 0, options.id, 0), H5Dclose)
      else { return false }
      return H5Dwrite(dataset.id, type.id, 0, 0, 0, bytes) >= 0
    }
    guard isWritten else { throw failure }
  }

  private static func record(_ members: [HDF5Member]) -> HDF5Handle? {
    let sizes = members.map { H5Tget_size($0.type) * $0.count }
    guard let record = HDF5Handle(H5Tcreate(H5T_COMPOUND, sizes.reduce(0, +)), H5Tclose) else {
      return nil
    }
    var offset = 0
    for (member, size) in zip(members, sizes) {
      if member.count == 1 {
        guard H5Tinsert(record.id, member.name, offset, member.type) >= 0 else { return nil }
      } else {
        guard
          let row = HDF5Handle(
            H5Tarray_create2(member.type, 1, [hsize_t(member.count)]), H5Tclose),
          H5Tinsert(record.id, member.name, offset, row.id) >= 0
        else { return nil }
      }
      offset += size
    }
    return record
  }
}
