import Diagnostics
import Foundation
import MRData
import Tensors

/// What `recon` says of its work; the keys of `--json`.
struct ReconReport: Encodable {
  /// Milliseconds.
  struct Times: Encodable {
    var read: Double
    /// Loading or compiling the model.
    var prepare: Double
    /// A frame's under-sampling, transforms (that of the reference too), coil combination, crop, scaling.
    var zeroFillPerFrame: Double
    /// The median over the calls, divided by the batch; absent without a network.
    var networkPerFrame: Double?

    enum CodingKeys: String, CodingKey {
      case read, prepare
      case zeroFillPerFrame = "zero_fill_per_frame"
      case networkPerFrame = "network_per_frame"
    }
  }

  /// Medians over the frames, against the fully sampled images.
  struct Quality: Encodable {
    var psnrDecibels: Double
    var nmse: Double

    enum CodingKeys: String, CodingKey {
      case psnrDecibels = "psnr_db"
      case nmse
    }
  }

  /// Scanner units are network units times `scale` plus `offset`, one of each a frame.
  struct Scaling: Encodable {
    var mode: String
    var scale: [Float]
    var offset: [Float]
  }

  var scans: [String]
  var scanRows: Int
  var scanColumns: Int
  var coils: Int
  var frames: Int
  /// Of the images.
  var rows: Int
  var columns: Int
  var mask: String
  var axis: String
  /// All lines along the axis.
  var lines: Int
  /// Absent where the mask is not made of whole lines.
  var linesKept: Int?
  /// The acceleration asked for, without the central lines; absent where the mask does not say.
  var nominalAcceleration: Double?
  /// All points of k-space over those kept.
  var trueAcceleration: Double
  /// `zerofill` or `grappa`.
  var method: String
  var model: String
  /// `jit`, `library` or `none`.
  var engine: String
  /// The weight file, or what stands for it; absent where there is none.
  var weights: String?
  var times: Times
  var scaling: Scaling
  /// Absent where the scan itself is under-sampled.
  var zeroFilled: Quality?
  var grappa: Quality?
  var network: Quality?

  enum CodingKeys: String, CodingKey {
    case scans, coils, frames, rows, columns, mask, axis, lines, method, model, engine, weights
    case scaling, grappa, network
    case scanRows = "scan_rows"
    case scanColumns = "scan_columns"
    case linesKept = "lines_kept"
    case nominalAcceleration = "nominal_acceleration"
    case trueAcceleration = "true_acceleration"
    case times = "times_ms"
    case zeroFilled = "zero_filled"
  }
}

extension ReconReport.Scaling {
  init(_ mode: ScalingMode, _ scalings: [MRData.Scaling]) {
    self.mode = mode.rawValue
    scale = scalings.map(\.scale)
    offset = scalings.map(\.offset)
  }
}

extension ReconReport.Quality {
  /// Nil without a reference or images.
  init?(_ images: Tensor<Float>?, reference: Tensor<Float>?) {
    guard let images, let reference, images.shape == reference.shape else { return nil }
    let size = images.shape[1] * images.shape[2]
    var (psnr, nmse): ([Double], [Double]) = ([], [])
    for start in stride(from: 0, to: images.values.count, by: size) {
      let (image, truth) = (
        images.values[start..<start + size], reference.values[start..<start + size]
      )
      psnr.append(ImageQuality.psnr(image, reference: truth))
      nmse.append(ImageQuality.nmse(image, reference: truth))
    }
    psnrDecibels = ReconReport.median(psnr)
    self.nmse = ReconReport.median(nmse)
  }
}

extension ReconReport {
  /// Of values that are there; the mean of the middle two where their number is even.
  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return 0 }
    let (low, high) = (sorted[(sorted.count - 1) / 2], sorted[sorted.count / 2])
    return last.isNaN ? .nan : low == high ? low : (low + high) / 2
  }

  /// The same for people.
  var summary: String {
    func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    let kept = linesKept.map { "\($0) of \(lines) lines kept along \(axis)" } ?? "points kept"
    let nominal = nominalAcceleration.map { "nominal acceleration \(number($0, 0)), " } ?? ""
    var text = [
      "\(frames) frame\(frames == 1 ? "" : "s") of \(rows)x\(columns) from k-space of \(scanRows)x\(scanColumns), "
        + "\(coils) \(coils == 1 ? "coil" : "coils")",
      "\(mask): \(kept), \(nominal)true \(number(trueAcceleration, 2))",
    ]
    if let weights { text.append("weights: \(weights)") }
    for (name, quality) in [("zero-filled", zeroFilled), ("GRAPPA", grappa), ("network", network)] {
      guard let quality else { continue }
      text.append(
        "\(name): median PSNR \(number(quality.psnrDecibels, 2)) dB, "
          + "NMSE \(number(quality.nmse, 5))")
    }
    var timing = "read \(number(times.read, 0)) ms, zero-filling "
    timing += "\(number(times.zeroFillPerFrame, 1)) ms a frame"
    if let perFrame = times.networkPerFrame {
      timing += ", \(model) (\(engine)) ready in \(number(times.prepare, 0)) ms and "
      timing += "\(number(perFrame, 1)) ms a frame"
    }
    return (text + [timing]).joined(separator: "\n")
  }
}
