// Finds added tokens in raw text: leftmost, then longest.
//
// Nearly always every added token begins with the same byte, which memchr looks for; candidates then need their second
// byte, and only then a comparison. Invariant: matching is on raw bytes before normalisation, as in the reference for tokens
// with `normalized: false`.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

struct AddedTokens: Sendable {
    struct Match {
        var range: Range<Int>
        var id: TokenID
    }

    private struct Candidate: Sendable {
        let bytes: [UInt8]
        let id: TokenID
    }

    /// Longest first, by first byte.
    private var candidates: [[Candidate]] = Array(repeating: [], count: 256)
    /// The distinct first bytes.
    private var firstBytes: [UInt8] = []
    private var isFirst = [Bool](repeating: false, count: 256)
    /// Second bytes that occur, whatever the first; all of them when a token has one byte only.
    private var isSecond = [Bool](repeating: false, count: 256)
    /// Some added token holds a line feed before its last byte: text must not be cut at lines.
    private(set) var spansLines = false

    init(_ definition: TokenizerDefinition) {
        for (index, kind) in definition.kinds.enumerated() where kind == .added || kind == .special {
            let bytes = Array(definition.tokens[index])
            candidates[Int(bytes[0])].append(Candidate(bytes: bytes, id: TokenID(index)))
            isFirst[Int(bytes[0])] = true
            if bytes.count > 1 { isSecond[Int(bytes[1])] = true } else { isSecond = isSecond.map { _ in true } }
            if bytes.dropLast().contains(0x0A) { spansLines = true }
        }
        firstBytes = (0...255).filter { isFirst[Int($0)] }
        for index in candidates.indices { candidates[index].sort { ($0.bytes.count, $1.id) > ($1.bytes.count, $0.id) } }
    }

    /// The next added token that lies within `range`.
    func next(_ text: UnsafeBufferPointer<UInt8>, in range: Range<Int>) -> Match? {
        var index = range.lowerBound
        while let place = candidate(text, from: index, to: range.upperBound) {
            if place + 1 >= range.upperBound || isSecond[Int(text[place + 1])] {
                for candidate in candidates[Int(text[place])] where candidate.bytes.count <= range.upperBound - place {
                    let match = place..<(place + candidate.bytes.count)
                    if text[match].elementsEqual(candidate.bytes) { return Match(range: match, id: candidate.id) }
                }
            }
            index = place + 1
        }
        return nil
    }

    /// The next place with the first byte of an added token.
    private func candidate(_ text: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> Int? {
        guard start < end, let base = text.baseAddress else { return nil }
        switch firstBytes.count {
        case 0: return nil
        case 1:
            guard let found = memchr(base + start, Int32(firstBytes[0]), end - start) else { return nil }
            return UnsafeRawPointer(found) - UnsafeRawPointer(base)
        default: return (start..<end).first { isFirst[Int(text[$0])] }
        }
    }
}
