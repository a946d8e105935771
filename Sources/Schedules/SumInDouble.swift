import LoopIR

/// Lets kernels that sum float32 products, or other float32 values, do so in float64.
///
/// ```
/// allocate sum : f32; sum = a; for i { sum = fma(x[i], w[i], sum) }; out[c] = max(sum + b[c], 0)
/// ```
/// becomes
/// ```
/// allocate sum : f64; sum = f64(a); for i { sum = fma(f64(x[i]), f64(w[i]), sum) }
/// out[c] = f32(max(sum + f64(b[c]), 0))
/// ```
/// A product of two float32 numbers is exact in float64, so what is left is one rounding of the result.
enum SumInDouble {
  /// The module itself for any other precision than strict.
  static func apply(to module: LoopModule, for precision: Precision) -> LoopModule {
    guard precision == .strict else { return module }
    var result = module
    for index in module.kernels.indices { result.kernels[index] = inDouble(module.kernels[index]) }
    return result
  }

  /// The kernel itself where it is no sum of float32 values.
  private static func inDouble(_ kernel: Kernel) -> Kernel {
    guard let nest = ReductionNest(kernel), nest.isSum, nest.accumulator.element == .f32,
      kernel.parameters.allSatisfy({ $0.buffer.element == .f32 })
    else { return kernel }
    let sum = nest.accumulator.name
    var result = kernel
    result.body = kernel.body.mapStatements { statement in
      switch statement {
      case .allocate(var buffer):
        buffer.element = .f64
        return [.allocate(buffer)]
      case .store(sum, let place, .fma(let a, let b, let total)):
        return [.store(sum, place, .fma(a.convertedToDouble(), b.convertedToDouble(), total))]
      case .store(sum, let place, .binary(.add, .load(sum, let same), let term)):
        return [.store(sum, place, .load(sum, same) + term.convertedToDouble())]
      case .store(let buffer, let place, let value):
        let value = value.inDouble(except: sum)
        return [.store(buffer, place, buffer == sum ? value : .cast(.f32, value))]
      case .bind(let name, let value): return [.bind(name, value.inDouble(except: sum))]
      default: return [statement]
      }
    }
    return result
  }
}

extension Expression {
  /// The value itself in float64, of whichever operand a selection takes.
  fileprivate func convertedToDouble() -> Expression {
    guard case .select(let condition, let a, let b) = self else { return .cast(.f64, self) }
    return .select(condition, a.convertedToDouble(), b.convertedToDouble())
  }

  /// The same with every float32 operand in float64 and all arithmetic there; `sum` is in float64 already.
  fileprivate func inDouble(except sum: String) -> Expression {
    mapExpressions { part in
      switch part {
      case .load(let buffer, _) where buffer != sum: return .cast(.f64, part)
      case .real(let value, .f32): return .real(Double(Float(value)), .f64)
      case .cast(.f32, let operand): return .cast(.f64, operand)
      default: return part
      }
    }
  }
}
