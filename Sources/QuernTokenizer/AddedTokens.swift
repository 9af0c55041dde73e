// Finds added tokens in raw text: leftmost, then longest.
//
// Candidates are looked up by their first byte; among those the longest that matches wins. Invariant: matching is on raw
// bytes before normalisation, as in the reference for tokens with `normalized: false`.

struct AddedTokens: Sendable {
    private struct Candidate: Sendable {
        let bytes: [UInt8]
        let id: TokenID
    }

    /// Longest first, by first byte.
    private var candidates: [[Candidate]] = Array(repeating: [], count: 256)
    private var isEmpty = true

    init(_ definition: TokenizerDefinition) {
        for (index, kind) in definition.kinds.enumerated() where kind == .added || kind == .special {
            let bytes = definition.tokens[index]
            candidates[Int(bytes[0])].append(Candidate(bytes: bytes, id: TokenID(index)))
            isEmpty = false
        }
        for index in candidates.indices { candidates[index].sort { ($0.bytes.count, $1.id) > ($1.bytes.count, $0.id) } }
    }

    /// The next added token at or after `start`.
    func next(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> (range: Range<Int>, id: TokenID)? {
        if isEmpty { return nil }
        for index in start..<text.count {
            for candidate in candidates[Int(text[index])] where candidate.bytes.count <= text.count - index {
                let range = index..<(index + candidate.bytes.count)
                if text[range].elementsEqual(candidate.bytes) { return (range, candidate.id) }
            }
        }
        return nil
    }
}
