import Diagnostics
import Foundation

extension Study {
  private struct Summary: Encodable {
    struct Row: Encodable {
      var name: String
      var network: String
      var loss: String
      var quartiles: [String: Quartiles]
      var normality: [String: NormalityTests]
    }

    var images: Int
    var techniques: [Row]
    var pairs: [String: [PairedComparison]]
  }

  /// Tables and box plots; figures of the images and curves may be added to it.
  public func report(title: String, about text: String) -> Report {
    var report = Report(title: title)
    report.add(text: text)
    report.add(
      text: "Neighbouring frames and slices of a subject are alike, so that the probabilities "
        + "below, which take images for independent, are smaller than those of subjects would be.")
    for measure in Self.measures {
      report.add(heading: measure.name)
      report.add(quartiles(measure), name: "quartiles-\(measure.key)")
      guard Self.tested.contains(where: { $0.key == measure.key }) else { continue }
      addTests(measure, to: &report)
    }
    if techniques.contains(where: { !$0.loss.isEmpty }) {
      report.add(heading: "Findings")
      report.add(Findings(self).table(), name: "findings")
    }
    return report
  }

  /// What cannot be drawn or compared, as measures of perfect images are infinite, is said instead.
  private func addTests(_ measure: Measure, to report: inout Report) {
    do {
      let boxes = try BoxPlot.figure(
        names: techniques.map(\.name), samples: techniques.map { measure.values($0.scores) },
        label: measure.name)
      report.add(
        boxes, name: "boxes-\(measure.key)", caption: "\(measure.name) of \(imageCount) images.")
    } catch { report.add(text: "No box plot: \(error.message).") }
    report.add(normality(measure), name: "normality-\(measure.key)")
    guard techniques.count > 1 else { return }
    do { report.add(try pairs(measure), name: "pairs-\(measure.key)") } catch {
      report.add(text: "No paired comparisons: \(error.message).")
    }
  }

  /// The same numbers for programs: `techniques` with quartiles and, for SNR and SSIM, the tests of normality that are
  /// possible; `pairs` where they can be compared.
  public func json() throws(Diagnostic) -> String {
    var pairs: [String: [PairedComparison]] = [:]
    if techniques.count > 1 {
      for measure in Self.tested { pairs[measure.key] = comparisons(measure) }
    }
    let rows = techniques.map { technique in
      let values = Self.measures.map { ($0.key, $0.values(technique.scores)) }
      let tests = Self.tested.map { ($0.key, NormalityTests($0.values(technique.scores))) }
      return Summary.Row(
        name: technique.name, network: technique.network, loss: technique.loss,
        quartiles: Dictionary(uniqueKeysWithValues: values.map { ($0.0, Quartiles($0.1)) }),
        normality: Dictionary(uniqueKeysWithValues: tests))
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let summary = Summary(images: imageCount, techniques: rows, pairs: pairs)
    do { return String(decoding: try encoder.encode(summary), as: UTF8.self) + "\n" } catch {
      throw Diagnostic("the results cannot be written as JSON: \(error.localizedDescription)")
    }
  }
}
