import Glibc

/// What is told beside results. A message that cannot be written, because a log's disk is full or nobody reads it, is
/// no reason to stop.
public enum StandardError {
  public static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes {
        Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }

  /// Opens the null device for input, output and messages where the caller has closed them, so that no file that is
  /// opened later gets what is meant for them.
  public static func openClosedStreams() {
    while case let descriptor = open("/dev/null", O_RDWR), descriptor >= 0 {
      if descriptor > STDERR_FILENO {
        close(descriptor)
        return
      }
    }
  }
}
