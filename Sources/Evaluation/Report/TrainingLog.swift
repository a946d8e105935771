import Diagnostics
import Foundation

/// The log of a training run: JSON lines with `step`, `loss` and, where it was measured, `validation_loss`.
public struct TrainingLog: Sendable {
  private struct Line: Decodable {
    var step: Int
    var loss: Double?
    var validationLoss: Double?

    enum CodingKeys: String, CodingKey {
      case step, loss
      case validationLoss = "validation_loss"
    }
  }

  private let lines: [Line]

  /// Throws where a line is no such object, or there is none.
  public init(_ bytes: [UInt8], at path: String) throws(Diagnostic) {
    var lines: [Line] = []
    for (index, text) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      do { lines.append(try JSONDecoder().decode(Line.self, from: Data(text))) } catch {
        throw Diagnostic(
          "the line is no JSON object with 'step' and 'loss'",
          at: SourceLocation(file: path, line: index + 1),
          help: "give a log that 'rephase train --log' wrote")
      }
    }
    guard !lines.isEmpty else {
      throw Diagnostic("the log has no steps", at: SourceLocation(file: path))
    }
    self.lines = lines.sorted { $0.step < $1.step }
  }

  /// The training loss and, where there is one, the validation loss.
  public func curves(_ name: String) -> [Curves.Curve] {
    func points(_ value: (Line) -> Double?) -> [(x: Double, y: Double)] {
      lines.compactMap { line in value(line).map { (x: Double(line.step), y: $0) } }
    }
    let validation = points(\.validationLoss)
    let training = Curves.Curve(name: name, points: points(\.loss))
    guard !validation.isEmpty else { return [training] }
    return [
      training,
      Curves.Curve(name: "\(name), validation", points: validation, isDashed: true),
    ]
  }
}
