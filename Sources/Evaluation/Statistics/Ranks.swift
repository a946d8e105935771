/// Ranks from 1, the smallest value first; equal values share the mean of their ranks.
struct Ranks {
  /// In the order of the values.
  let values: [Double]
  /// How many values share a rank, for each rank that is shared.
  let ties: [Int]

  init(_ data: [Double]) {
    let order = data.indices.sorted { (data[$0], $0) < (data[$1], $1) }
    var (ranks, ties) = ([Double](repeating: 0, count: data.count), [Int]())
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, data[order[end]] == data[order[start]] { end += 1 }
      for place in order[start..<end] { ranks[place] = Double(start + end + 1) / 2 }
      if end - start > 1 { ties.append(end - start) }
      start = end
    }
    (values, self.ties) = (ranks, ties)
  }

  /// The sum of t^3 - t over the ties.
  var tieTerm: Double { ties.reduce(0) { $0 + Double($1 * $1 * $1 - $1) } }
}
