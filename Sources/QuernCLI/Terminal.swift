// stdout for the answer, stderr for everything else.
//
// Invariant: what models and files say reaches a terminal with its control characters shown, not obeyed, and anything else byte
// for byte. Only `draw` and the progress bar move a cursor.
import Foundation
import Glibc

/// The answer's way out. A closed pipe ends the work quietly, a full disk loudly.
enum StandardOutput {
    enum Outcome {
        case written
        /// The reader has gone: success, and nothing more to do.
        case closed
    }

    private static let isTerminal = isatty(1) == 1

    static func write(_ text: String) throws -> Outcome { try send(Array((isTerminal ? Terminal.escaped(text) : text).utf8)) }

    static func write(_ bytes: [UInt8]) throws -> Outcome {
        try isTerminal ? write(String(decoding: bytes, as: UTF8.self)) : send(bytes)
    }

    /// Text whose control characters are our own.
    static func draw(_ text: String) throws -> Outcome { try send(Array(text.utf8)) }

    private static func send(_ bytes: [UInt8]) throws -> Outcome {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress! + done, bytes.count - done) }
            if count >= 0 {
                done += count
            } else if errno == EPIPE {
                return .closed
            } else if errno != EINTR {
                throw Failure.output("standard output: \(String(cString: strerror(errno)))")
            }
        }
        return .written
    }
}

enum Terminal {
    static let isInteractive = isatty(2) == 1

    /// Width of the terminal that shows the answer; 100 when there is none.
    static var columns: Int {
        var size = winsize()
        return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 100
    }

    static func note(_ text: String) { write((isInteractive ? escaped(text) : text) + "\n") }

    /// To stderr as it is; a stderr that is closed or full is nothing to fail for.
    static func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }

    /// Control characters as Swift writes them in a literal; lines and tabs stay.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isControl($0) }) else { return text }
        return text.unicodeScalars.reduce(into: "") { out, scalar in
            if isControl(scalar) { out += scalar.escaped(asASCII: true) } else { out.unicodeScalars.append(scalar) }
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        (scalar.value < 0x20 && scalar != "\n" && scalar != "\t") || (0x7F...0x9F).contains(scalar.value)
    }
}

/// A bar on a terminal, a line per tenth elsewhere.
final class ProgressBar {
    private let label: String
    private let started = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    private let start: Double
    private var lastTenth = -1

    /// - Parameter start: the fraction that was done before; the time left is judged by what came after.
    init(_ label: String, startingAt start: Double = 0) {
        self.label = label
        self.start = start
    }

    /// - Parameter detail: further figures to show.
    func update(_ fraction: Double, detail: String = "") {
        let suffix = detail.isEmpty ? "" : ", " + detail
        guard Terminal.isInteractive else {
            let tenth = Int(fraction * 10)
            if tenth > lastTenth {
                lastTenth = tenth
                Terminal.note("\(label) \(tenth * 10) %\(suffix)")
            }
            return
        }
        let now = ContinuousClock.now
        if let lastDrawn, now - lastDrawn < .milliseconds(80), fraction < 1 { return }
        lastDrawn = now
        let width = 30
        let filled = Int(fraction * Double(width))
        let elapsed = (now - started) / .seconds(1)
        let done = fraction - start
        let left = done > 0.02 * (1 - start) ? String(format: ", %.0f s left", elapsed * (1 - fraction) / done) : ""
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled)
        Terminal.write(String(format: "\r\u{1B}[K\(label) [\(bar)] %3.0f %%", fraction * 100) + suffix + left)
    }

    func finish() {
        if Terminal.isInteractive { Terminal.write("\r\u{1B}[K") }
    }
}
