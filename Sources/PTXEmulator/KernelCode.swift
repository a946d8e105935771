import Diagnostics

/// Does one instruction for the lanes of a mask.
typealias Work = (Warp, UInt32) throws(AccessFailure) -> Void

enum Step {
  case work(Work)
  /// The same by all threads of a warp, which wait for each other here.
  case together(Work)
  /// To the step of this number, for the lanes whose predicate holds.
  case branch(Int, predicate: Int?, isNegated: Bool)
  case barrier
  case exit
}

/// A kernel that can be run: steps, and what its registers start with.
struct KernelCode {
  var name: String
  var steps: [Step] = []
  var instructions: [PTXInstruction]
  /// Registers, counted after immediate operands have got registers of their own.
  var registerCount = 0
  /// Registers by their offset in a warp's file, and values that never change.
  var constants: [(register: Int, value: UInt64)] = []
  /// Registers of the parameters' addresses.
  var parameters: [Int] = []
  var threadRegister: Int?
  var blockRegister: Int?
  var maximumThreads: Int
  var sharedBytes: Int
  var dynamicOffset: Int

  /// Throws, with the line, at the first instruction that the emulator does not know.
  init(_ kernel: PTXKernel) throws(Diagnostic) {
    name = kernel.name
    instructions = kernel.instructions
    maximumThreads = kernel.maximumThreads
    sharedBytes = kernel.sharedBytes
    dynamicOffset = kernel.dynamicOffset
    var decoder = Decoder(kernel)
    for instruction in kernel.instructions {
      do throws(DecodeFailure) { steps.append(try decoder.step(instruction)) } catch {
        throw Diagnostic(
          "line \(instruction.line) of the PTX, in kernel \(kernel.name): \(error.message)",
          notes: [instruction.text])
      }
    }
    constants = decoder.constants
    parameters = kernel.parameters.map { decoder.register(named: "[\($0)]") }
    registerCount = decoder.registerCount
    threadRegister = decoder.known("%tid.x")
    blockRegister = decoder.known("%ctaid.x")
  }
}

struct DecodeFailure: Error {
  var message: String
  init(_ message: String) { self.message = message }
}

/// Turns instructions into steps, and names into places in a warp's register file.
struct Decoder {
  private let kernel: PTXKernel
  private var registers: [String: Int] = [:]
  private(set) var constants: [(register: Int, value: UInt64)] = []

  /// Registers of sums of warp groups' products.
  private let sums: Set<String>

  init(_ kernel: PTXKernel) {
    self.kernel = kernel
    sums = Self.sums(of: kernel)
  }

  var registerCount: Int { registers.count }
  var parameterNames: [String] { kernel.parameters }

  /// The place of a register, which gets one when it is first named.
  mutating func register(named name: String) -> Int {
    if let known = registers[name] { return known }
    let place = registers.count * Warp.lanes
    registers[name] = place
    return place
  }

  func known(_ name: String) -> Int? { registers[name] }

  /// The register of an operand; constants, addresses of variables and special registers have one too.
  mutating func source(_ operand: String) throws(DecodeFailure) -> Int {
    if let known = registers[operand] { return known }
    if operand.hasPrefix("%") {
      guard Self.isRegister(operand) || ["%tid.x", "%ctaid.x"].contains(operand) else {
        throw DecodeFailure("the special register \(operand) is not emulated")
      }
      return register(named: operand)
    }
    let value: UInt64
    if let variable = kernel.shared.first(where: { $0.name == operand }) {
      value = SharedMemory.base + UInt64(variable.offset)
    } else if let constant = Self.constant(operand) {
      value = constant
    } else {
      throw DecodeFailure("'\(operand)' is no operand that the emulator knows")
    }
    let place = register(named: operand)
    constants.append((place, value))
    return place
  }

  /// `%r1`, `%rs1`, `%rd1`, `%f1`, `%fd1`, `%p1`.
  private static func isRegister(_ name: String) -> Bool {
    let digits = name.drop { !$0.isNumber }
    let kind = name.dropLast(digits.count)
    return ["%r", "%rs", "%rd", "%f", "%fd", "%p"].contains(kind) && digits.allSatisfy(\.isNumber)
      && !digits.isEmpty
  }

  mutating func destination(_ operand: String) throws(DecodeFailure) -> Int {
    guard Self.isRegister(operand) else {
      throw DecodeFailure("'\(operand)' cannot be written")
    }
    return register(named: operand)
  }

  /// Decimal and hexadecimal integers, `0fXXXXXXXX` and `0dXXXXXXXXXXXXXXXX`.
  private static func constant(_ text: String) -> UInt64? {
    if text.hasPrefix("0f") { return UInt64(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0d") { return UInt64(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
    if let value = Int64(text) { return UInt64(bitPattern: value) }
    return UInt64(text)
  }

  mutating func step(_ instruction: PTXInstruction) throws(DecodeFailure) -> Step {
    var predicate: Int?
    let isNegated = instruction.predicate?.hasPrefix("!") == true
    if let name = instruction.predicate {
      predicate = try source(isNegated ? String(name.dropFirst()) : name)
    }
    switch instruction.opcode[0] {
    case "bra":
      guard instruction.operands.count == 1, let target = kernel.labels[instruction.operands[0]]
      else { throw DecodeFailure("there is no such label") }
      return .branch(target, predicate: predicate, isNegated: isNegated)
    case "ret", "exit":
      guard predicate == nil else { throw DecodeFailure("a conditional return is not emulated") }
      return .exit
    case "bar":
      guard predicate == nil, instruction.opcode == ["bar", "sync"], instruction.operands == ["0"]
      else { throw DecodeFailure("this barrier is not emulated") }
      return .barrier
    default:
      let work = touching(sums(in: instruction), try self.work(instruction))
      if Self.isOfWholeWarps(instruction) {
        guard predicate == nil else {
          throw DecodeFailure("this instruction is not emulated with a predicate")
        }
        return .together(work)
      }
      guard let predicate else { return .work(work) }
      return .work { warp, mask throws(AccessFailure) in
        try work(warp, mask & warp.lanes(predicate, isNegated))
      }
    }
  }

  /// What a thread executes only with all others of its warp, for which it waits (`.sync.aligned` in the PTX ISA).
  private static func isOfWholeWarps(_ instruction: PTXInstruction) -> Bool {
    ["ldmatrix", "mma", "wgmma"].contains(instruction.opcode[0])
  }

  /// The sums that an instruction reads or writes in the order of the program; products do so when they please.
  private mutating func sums(in instruction: PTXInstruction) -> [Int] {
    if sums.isEmpty || instruction.opcode[0] == "wgmma" { return [] }
    return instruction.operands.flatMap(Self.vector).filter(sums.contains).map {
      register(named: $0)
    }
  }

  private mutating func work(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    switch instruction.opcode[0] {
    case "cp": return try copy(instruction)
    case "ld", "st": return try access(instruction)
    case "ldmatrix": return try matrixLoad(instruction)
    case "mma": return try product(instruction)
    case "wgmma", "fence": return try warpGroup(instruction)
    case "mov", "selp", "setp", "cvt": return try move(instruction)
    default: return try arithmetic(instruction)
    }
  }

  /// That there are so many operands.
  func check(_ instruction: PTXInstruction, _ count: Int) throws(DecodeFailure) {
    guard instruction.operands.count == count else {
      throw DecodeFailure("\(count) operands are expected")
    }
  }

  func unknown(_ instruction: PTXInstruction) -> DecodeFailure {
    DecodeFailure("the instruction \(instruction.opcode.joined(separator: ".")) is not emulated")
  }
}
