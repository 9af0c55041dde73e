// Holds back text that might be the beginning of a stop string, so that no part of one is ever delivered.
//
// Works on UTF-8 bytes: String comparison would treat canonically equivalent spellings as equal.
// Invariant: delivered text + held text == received text, up to the first stop string.

package struct StopFilter: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    package init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// - Returns: text that can be delivered, and the stop string that was reached.
    package mutating func append(_ text: String) -> (text: String, stop: String?) {
        guard !stops.isEmpty else { return (text, nil) }
        held.append(contentsOf: text.utf8)
        var first: (index: Int, stop: [UInt8])?
        for stop in stops {
            if let found = firstIndex(of: stop), found < (first?.index ?? Int.max) { first = (found, stop) }
        }
        if let first {
            defer { held = [] }
            return (String(decoding: held[..<first.index], as: UTF8.self), String(decoding: first.stop, as: UTF8.self))
        }
        let keep = stops.reduce(0) { max($0, overlap($1)) }
        let ready = held.count - keep
        defer { held.removeFirst(ready) }
        return (String(decoding: held[..<ready], as: UTF8.self), nil)
    }

    /// What was held back when the completion ended without a stop string.
    package mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    private func firstIndex(of stop: [UInt8]) -> Int? {
        guard held.count >= stop.count else { return nil }
        return (0...(held.count - stop.count)).first { held[$0...].starts(with: stop) }
    }

    /// Length of the longest proper prefix of `stop` that ends the held text.
    private func overlap(_ stop: [UInt8]) -> Int {
        let longest = min(stop.count - 1, held.count)
        return (0...longest).reversed().first { held.suffix($0).elementsEqual(stop.prefix($0)) } ?? 0
    }
}
