// A buffer of text that arrives in pieces and is searched for a marker: what cannot be the marker's beginning is released.

struct ByteScanner {
    private(set) var held: [UInt8] = []

    mutating func append(_ text: String) { held.append(contentsOf: text.utf8) }

    /// Takes `text` off the front; nil while it is incomplete, false when something else is there.
    mutating func take(_ text: String) -> Bool? {
        let wanted = Array(text.utf8)
        guard held.prefix(wanted.count).elementsEqual(wanted.prefix(held.count)) else { return false }
        guard held.count >= wanted.count else { return nil }
        held.removeFirst(wanted.count)
        return true
    }

    /// Takes everything before `marker`, and the marker; nil when it is not there.
    mutating func take(until marker: String) -> String? {
        let wanted = Array(marker.utf8)
        guard held.count >= wanted.count else { return nil }
        for start in 0...(held.count - wanted.count) where held[start...].starts(with: wanted) {
            defer { held.removeFirst(start + wanted.count) }
            return String(decoding: held[..<start], as: UTF8.self)
        }
        return nil
    }

    /// Takes what is certainly before `marker`, which has not come yet.
    mutating func takeReleased(before marker: String) -> String {
        let wanted = Array(marker.utf8)
        let longest = min(wanted.count - 1, held.count)
        let kept = (0...longest).reversed().first { held.suffix($0).elementsEqual(wanted.prefix($0)) } ?? 0
        return take(held.count - kept)
    }

    /// Takes line ends off the front.
    mutating func dropNewlines() { held.removeFirst(held.prefix { $0 == 0x0A }.count) }

    mutating func take(_ count: Int) -> String {
        defer { held.removeFirst(count) }
        return String(decoding: held[..<count], as: UTF8.self)
    }

    mutating func takeAll() -> String { take(held.count) }
}
