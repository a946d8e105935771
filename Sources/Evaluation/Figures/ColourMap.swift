extension Ink {
  /// 0 to 1 over nine points of matplotlib's `inferno` map (CC0), linear between them.
  static func heat(_ level: Double) -> Ink {
    let place = min(max(level, 0), 1) * Double(inferno.count - 1)
    let index = min(Int(place), inferno.count - 2)
    return inferno[index].mixed(inferno[index + 1], place - Double(index))
  }

  private static let inferno = [
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51),
    (249, 140, 10), (249, 201, 50), (252, 255, 164),
  ].map { Ink(Double($0.0) / 255, Double($0.1) / 255, Double($0.2) / 255) }
}
