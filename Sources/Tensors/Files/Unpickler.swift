import Diagnostics

/// A value on the stack of a pickle; containers are indices into `Unpickler`'s arrays, so that nothing nests or cycles.
enum PickleValue: Hashable {
  case mark, none
  case bool(Bool)
  case integer(Int)
  case string(String)
  /// `module name` of an allowed callable or class.
  case global(String)
  case tuple(Int)
  case list(Int)
  case dictionary(Int)
  case storage(TorchStorage)
  case tensor(TorchView)
}

/// An array of numbers of a PyTorch file, which its pickle refers to.
struct TorchStorage: Hashable {
  /// `FloatStorage`, `LongStorage`, ...
  var type: String
  var key: String
  var count: Int
}

/// A tensor as a strided view of a storage.
struct TorchView: Hashable {
  var storage: TorchStorage
  var offset: Int
  var extents: [Int]
  var strides: [Int]
}

/// Reads the pickles of PyTorch's state dicts without running anything: the opcodes they are made of, and the few
/// callables that build tensors and ordered dictionaries; whatever else a pickle asks for is refused by its name.
///
/// Format: Lib/pickletools.py in CPython; torch/serialization.py in PyTorch.
struct Unpickler {
  private let bytes: [UInt8]
  private let place: SourceLocation
  private(set) var position: Int
  private var stack: [PickleValue] = []
  private var memo: [Int: PickleValue] = [:]
  private(set) var tuples: [[PickleValue]] = []
  private(set) var lists: [[PickleValue]] = []
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []

  /// The weights of a network have a few thousand opcodes; these are far more.
  private static let maximumOpcodes = 1 << 22

  init(_ bytes: [UInt8], from position: Int = 0, at place: SourceLocation) {
    self.bytes = bytes
    self.position = position
    self.place = place
  }

  /// The value of the pickle at the current position, which moves behind it.
  mutating func read() throws(Diagnostic) -> PickleValue {
    stack = []
    memo = [:]
    for _ in 0..<Self.maximumOpcodes {
      let opcode = try byte()
      if opcode == UInt8(ascii: ".") { return try pop() }
      if try pushScalar(opcode) { continue }
      if try changeContainer(opcode) { continue }
      guard try apply(opcode) else {
        throw malformed("the opcode \(opcode) is not part of a state dict")
      }
    }
    throw malformed("it is longer than any state dict")
  }

  func malformed(_ why: String) -> Diagnostic {
    Diagnostic(
      "the pickle of the PyTorch file cannot be read at byte \(position): \(why)", at: place,
      help: "save a plain state dict: torch.save(model.state_dict(), path)")
  }

  // MARK: Opcodes

  /// Numbers, strings and names; false for other opcodes.
  private mutating func pushScalar(_ opcode: UInt8) throws(Diagnostic) -> Bool {
    switch UnicodeScalar(opcode) {
    case "N": stack.append(.none)
    case "\u{88}": stack.append(.bool(true))
    case "\u{89}": stack.append(.bool(false))
    case "K": stack.append(.integer(try number(1)))
    case "M": stack.append(.integer(try number(2)))
    case "J": stack.append(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case "\u{8A}": stack.append(try long())
    case "X", "T": stack.append(.string(try string(try number(4))))
    case "U", "\u{8C}": stack.append(.string(try string(try number(1))))
    case "c": stack.append(.global(try allowed(try line(), try line())))
    case "\u{93}":
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw malformed("a class has no name")
      }
      stack.append(.global(try allowed(module, name)))
    default: return false
    }
    return true
  }

  /// Tuples, lists, dictionaries and the memo; false for other opcodes.
  private mutating func changeContainer(_ opcode: UInt8) throws(Diagnostic) -> Bool {
    switch UnicodeScalar(opcode) {
    case "(": stack.append(.mark)
    case ")": push(tuple: [])
    case "t": push(tuple: try popToMark())
    case "\u{85}": push(tuple: try pop(1))
    case "\u{86}": push(tuple: try pop(2))
    case "\u{87}": push(tuple: try pop(3))
    case "]":
      lists.append([])
      stack.append(.list(lists.count - 1))
    case "}": pushDictionary([])
    case "a": try extend(with: try pop(1))
    case "e": try extend(with: try popToMark())
    case "s": try insert(try pop(2))
    case "u": try insert(try popToMark())
    case "q": memo[try number(1)] = try top()
    case "r": memo[try number(4)] = try top()
    case "\u{94}": memo[memo.count] = try top()
    case "h": stack.append(try remembered(try number(1)))
    case "j": stack.append(try remembered(try number(4)))
    default: return false
    }
    return true
  }

  /// What makes objects; false for other opcodes.
  private mutating func apply(_ opcode: UInt8) throws(Diagnostic) -> Bool {
    switch UnicodeScalar(opcode) {
    case "\u{80}":
      let version = try number(1)
      guard version <= 5 else { throw malformed("its protocol \(version) is not known") }
    case "\u{95}": _ = try number(8)
    case "R": try reduce()
    case "b":
      _ = try pop()
      guard case .dictionary = try top() else { throw malformed("it sets the state of an object") }
    case "Q":
      guard case .tuple(let index) = try pop() else { throw malformed("a storage has no name") }
      stack.append(.storage(try storage(tuples[index])))
    default: return false
    }
    return true
  }

  private mutating func reduce() throws(Diagnostic) {
    guard case .tuple(let index) = try pop(), case .global(let name) = try pop() else {
      throw malformed("a call has no arguments")
    }
    let arguments = tuples[index]
    switch name {
    case "collections OrderedDict": pushDictionary(try pairs(arguments))
    case "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2":
      stack.append(.tensor(try view(arguments)))
    case "torch._utils _rebuild_parameter":
      guard case .tensor? = arguments.first else { throw malformed("a parameter is no tensor") }
      stack.append(arguments[0])
    default: throw malformed("'\(name)' is not called")
    }
  }

  /// The name of a global that a state dict may use.
  private func allowed(_ module: String, _ name: String) throws(Diagnostic) -> String {
    let callables = [
      "collections OrderedDict", "torch._utils _rebuild_tensor",
      "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter",
    ]
    let full = "\(module) \(name)"
    guard callables.contains(full) || (module == "torch" && name.hasSuffix("Storage")) else {
      throw Diagnostic(
        "the PyTorch file asks for '\(module).\(name)', which is not part of a state dict; "
          + "nothing of it was run", at: place,
        help: "save a plain state dict: torch.save(model.state_dict(), path)")
    }
    return full
  }

  // MARK: Objects

  /// `('storage', torch.FloatStorage, key, location, count)`.
  private func storage(_ id: [PickleValue]) throws(Diagnostic) -> TorchStorage {
    guard id.count >= 5, id[0] == .string("storage"), case .global(let name) = id[1],
      case .string(let key) = id[2], case .integer(let count) = id[4], count >= 0
    else { throw malformed("a storage is not described as PyTorch does it") }
    return TorchStorage(type: String(name.dropFirst("torch ".count)), key: key, count: count)
  }

  /// `(storage, offset, extents, strides, ...)`; the view must lie inside its storage.
  private func view(_ arguments: [PickleValue]) throws(Diagnostic) -> TorchView {
    guard arguments.count >= 4, case .storage(let storage) = arguments[0],
      case .integer(let offset) = arguments[1], case .tuple(let extents) = arguments[2],
      case .tuple(let strides) = arguments[3]
    else { throw malformed("a tensor is not described as PyTorch does it") }
    return TorchView(
      storage: storage, offset: offset, extents: try integers(tuples[extents]),
      strides: try integers(tuples[strides]))
  }

  private func integers(_ values: [PickleValue]) throws(Diagnostic) -> [Int] {
    var result: [Int] = []
    for value in values {
      guard case .integer(let number) = value else { throw malformed("an extent is no number") }
      result.append(number)
    }
    return result
  }

  /// The items of `OrderedDict()` or, as Python 2 wrote it, `OrderedDict([[key, value], ...])`.
  private func pairs(
    _ arguments: [PickleValue]
  ) throws(Diagnostic) -> [(key: PickleValue, value: PickleValue)] {
    guard let first = arguments.first else { return [] }
    guard case .list(let items) = first else { throw malformed("a dictionary has no items") }
    var result: [(key: PickleValue, value: PickleValue)] = []
    for item in lists[items] {
      guard case .list(let index) = item, lists[index].count == 2 else {
        throw malformed("an item of a dictionary is no pair")
      }
      result.append((lists[index][0], lists[index][1]))
    }
    return result
  }

  private mutating func pushDictionary(_ items: [(key: PickleValue, value: PickleValue)]) {
    dictionaries.append(items)
    stack.append(.dictionary(dictionaries.count - 1))
  }

  private mutating func push(tuple values: [PickleValue]) {
    tuples.append(values)
    stack.append(.tuple(tuples.count - 1))
  }

  private mutating func extend(with values: [PickleValue]) throws(Diagnostic) {
    guard case .list(let index) = try top() else { throw malformed("it appends to no list") }
    lists[index] += values
  }

  private mutating func insert(_ items: [PickleValue]) throws(Diagnostic) {
    guard case .dictionary(let index) = try top(), items.count % 2 == 0 else {
      throw malformed("it sets items of no dictionary")
    }
    for start in stride(from: 0, to: items.count, by: 2) {
      dictionaries[index].append((items[start], items[start + 1]))
    }
  }

  // MARK: Stack and bytes

  private mutating func pop() throws(Diagnostic) -> PickleValue { try pop(1)[0] }

  private mutating func pop(_ count: Int) throws(Diagnostic) -> [PickleValue] {
    guard stack.count >= count else { throw malformed("its stack is empty") }
    let values = Array(stack.suffix(count))
    guard !values.contains(.mark) else { throw malformed("a mark stands where a value must") }
    stack.removeLast(count)
    return values
  }

  private mutating func popToMark() throws(Diagnostic) -> [PickleValue] {
    guard let mark = stack.lastIndex(of: .mark) else { throw malformed("a mark is missing") }
    let values = Array(stack[(mark + 1)...])
    stack.removeLast(stack.count - mark)
    return values
  }

  private func top() throws(Diagnostic) -> PickleValue {
    guard let top = stack.last, top != .mark else { throw malformed("its stack is empty") }
    return top
  }

  private func remembered(_ index: Int) throws(Diagnostic) -> PickleValue {
    guard let value = memo[index] else { throw malformed("it recalls what it never kept") }
    return value
  }

  private mutating func byte() throws(Diagnostic) -> UInt8 {
    guard position < bytes.count else { throw malformed("it was cut off") }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func number(_ size: Int) throws(Diagnostic) -> Int {
    guard let value = RawValues.integer(bytes, at: position, size: size),
      let number = Int(exactly: value)
    else { throw malformed("it was cut off") }
    position += size
    return number
  }

  /// A little-endian two's complement number; one of more than 8 bytes, as the magic number is, becomes none.
  private mutating func long() throws(Diagnostic) -> PickleValue {
    let size = try number(1)
    let data = try take(size)
    guard size <= 8 else { return .none }
    let isNegative = (data.last ?? 0) >= 0x80
    let value = data.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }
    return .integer(value)
  }

  private mutating func string(_ size: Int) throws(Diagnostic) -> String {
    guard let text = String(validating: try take(size), as: UTF8.self) else {
      throw malformed("a text is not UTF-8")
    }
    return text
  }

  private mutating func take(_ size: Int) throws(Diagnostic) -> ArraySlice<UInt8> {
    guard size <= bytes.count - position else { throw malformed("it was cut off") }
    defer { position += size }
    return bytes[position..<position + size]
  }

  private mutating func line() throws(Diagnostic) -> String {
    guard let end = bytes[position...].firstIndex(of: 10) else { throw malformed("it was cut off") }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }
}
