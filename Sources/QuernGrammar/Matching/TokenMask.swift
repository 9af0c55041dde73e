// One bit per token id: the tokens that may come next.

public struct TokenMask: Sendable {
    public private(set) var words: [UInt64]
    public let tokenCount: Int

    public init(tokenCount: Int) {
        self.tokenCount = tokenCount
        words = Array(repeating: 0, count: (tokenCount + 63) / 64)
    }

    public subscript(token: Int32) -> Bool {
        get { words[Int(token) >> 6] >> UInt64(token & 63) & 1 == 1 }
        set {
            let bit = UInt64(1) << UInt64(token & 63)
            if newValue { words[Int(token) >> 6] |= bit } else { words[Int(token) >> 6] &= ~bit }
        }
    }

    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    mutating func clear() {
        for index in words.indices { words[index] = 0 }
    }

    /// The words in place, for code that sets many bits: token t is bit t & 63 of word t >> 6.
    mutating func withWords(_ body: (UnsafeMutableBufferPointer<UInt64>) -> Void) {
        words.withUnsafeMutableBufferPointer { body($0) }
    }

    mutating func formUnion(_ other: TokenMask) {
        words.withUnsafeMutableBufferPointer { mine in
            other.words.withUnsafeBufferPointer { theirs in
                for index in 0..<min(mine.count, theirs.count) { mine[index] |= theirs[index] }
            }
        }
    }
}
