import CHDF5
import Diagnostics
import Tensors

extension HDF5File {
  /// One integer member of every record in a one-dimensional dataset, such as `["head", "idx", "phase"]`.
  ///
  /// Throws where there is no such dataset or member, or the member is no number.
  public func integers(_ name: String, member: [String]) throws(Diagnostic) -> [Int] {
    try withDataset(name) { (dataset) throws(Diagnostic) in
      var values = [Int64](repeating: 0, count: try recordCount(dataset, name))
      guard let type = try record(rephase_h5_i64(), member, name) else { throw damaged(name) }
      let status = values.withUnsafeMutableBytes {
        H5Dread(dataset, type.id, 0, 0, 0, $0.baseAddress)
      }
      guard status >= 0 else { throw damaged(name) }
      return values.map { Int($0) }
    }
  }

  /// A member that is a sequence of float32 of variable length, for a range of the records.
  ///
  /// Throws as `integers` does, and where a sequence is longer than `maximum`.
  public func sequences(
    _ name: String, member: [String], rows: Range<Int>, maximum: Int
  ) throws(Diagnostic) -> [[Float]] {
    try withDataset(name) { (dataset) throws(Diagnostic) in
      var sequences = [hvl_t](repeating: hvl_t(), count: rows.count)
      guard rows.upperBound <= (try recordCount(dataset, name)),
        let list = HDF5Handle(H5Tvlen_create(rephase_h5_f32()), H5Tclose),
        let type = try record(list.id, member, name),
        let file = HDF5Handle(H5Dget_space(dataset), H5Sclose),
        H5Sselect_hyperslab(
          file.id, H5S_SELECT_SET, [hsize_t(rows.lowerBound)], nil, [hsize_t(rows.count)], nil)
          >= 0,
        let memory = HDF5Handle(H5Screate_simple(1, [hsize_t(rows.count)], nil), H5Sclose)
      else { throw damaged(name) }
      guard H5Dread(dataset, type.id, memory.id, file.id, 0, &sequences) >= 0 else {
        throw damaged(name)
      }
      defer { H5Dvlen_reclaim(type.id, memory.id, 0, &sequences) }
      guard sequences.allSatisfy({ $0.len <= maximum }) else { throw damaged(name) }
      return sequences.map { sequence in
        guard let start = sequence.p else { return [] }
        let values = start.assumingMemoryBound(to: Float.self)
        return Array(UnsafeBufferPointer(start: values, count: sequence.len))
      }
    }
  }

  /// 2^24 records: more lines than any scan that fits in memory has.
  private func recordCount(_ dataset: hid_t, _ name: String) throws(Diagnostic) -> Int {
    let extents = try extents(dataset, name)
    let count = extents.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
    guard count != 0 else {
      throw Diagnostic(
        "the dataset '\(name)' has no records", at: place(name),
        help: "check how the file was written")
    }
    guard extents.count <= 2, (1...1 << 24).contains(count), extents.first == count else {
      throw Diagnostic(
        "the dataset '\(name)' is no list of records", at: place(name),
        help: "check how the file was written")
    }
    return count
  }

  /// A record of one member alone, inside records by the outer names; the library matches members by name.
  private func record(
    _ leaf: hid_t, _ member: [String], _ name: String
  ) throws(Diagnostic) -> HDF5Handle? {
    try checkMember(member, name)
    let size = H5Tget_size(leaf)
    var type = HDF5Handle(H5Tcopy(leaf), H5Tclose)
    for step in member.reversed() {
      guard let inner = type.take(),
        let outer = HDF5Handle(H5Tcreate(H5T_COMPOUND, size), H5Tclose),
        H5Tinsert(outer.id, step, 0, inner.id) >= 0
      else { return nil }
      type = consume outer
    }
    return type
  }

  private func checkMember(_ member: [String], _ name: String) throws(Diagnostic) {
    guard let dataset = HDF5Handle(H5Dopen2(id, name, 0), H5Dclose),
      var type = HDF5Handle(H5Dget_type(dataset.id), H5Tclose)
    else { throw damaged(name) }
    for step in member {
      let index = H5Tget_class(type.id) == H5T_COMPOUND ? H5Tget_member_index(type.id, step) : -1
      guard index >= 0, let inner = HDF5Handle(H5Tget_member_type(type.id, UInt32(index)), H5Tclose)
      else {
        throw Diagnostic(
          "the records of '\(name)' have no member '\(member.joined(separator: "."))'",
          at: place(name), help: "check how the file was written")
      }
      type = consume inner
    }
  }
}
