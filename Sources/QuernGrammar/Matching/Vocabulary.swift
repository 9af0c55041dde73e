// The tokens of a tokenizer as a byte trie, flattened in depth-first order. Built once per tokenizer.
//
// Owns: bytes of every token and the trie. Does not own: which tokens are special: those are left out by whoever builds it.
// Invariant: the descendants of node i are i+1 ..< skip[i], and its own tokens come before theirs in `tokens`.

public final class Vocabulary: Sendable {
    /// Ids are 0..<tokenCount; some have no text.
    public let tokenCount: Int
    /// Longest token kept; longer ones are never allowed under a constraint.
    static let maxTokenBytes = 255

    /// Of each node: the byte on the edge to it, its depth (the root's is 0), the first node that is no descendant.
    let bytes: [UInt8]
    let depths: [UInt8]
    let skip: [Int32]
    /// Token ids in the order of their bytes; node i has tokens[tokenStarts[i] ..< tokenStarts[i + 1]].
    let tokens: [Int32]
    let tokenStarts: [Int32]
    private let text: [UInt8]
    private let textStarts: [Int32]

    /// - Parameter texts: bytes by token id; nil or empty for tokens that are not text (special ones, holes).
    /// - Complexity: O(n log n) comparisons of token texts.
    public init(_ texts: [[UInt8]?]) {
        tokenCount = texts.count
        var text: [UInt8] = []
        var textStarts: [Int32] = [0]
        for bytes in texts {
            if let bytes, bytes.count <= Self.maxTokenBytes { text += bytes }
            textStarts.append(Int32(text.count))
        }
        let ordered = Self.sorted(text, textStarts)
        var nodeBytes: [UInt8] = [0]
        var depths: [UInt8] = [0]
        var skip: [Int32] = [0]
        var tokenStarts: [Int32] = [0]
        var path: [Int] = [0]               // nodes from the root to the last one made
        var previous: ArraySlice<UInt8> = []
        for (position, token) in ordered.enumerated() {
            let current = text[Int(textStarts[Int(token)])..<Int(textStarts[Int(token) + 1])]
            let shared = zip(previous, current).prefix { $0 == $1 }.count
            if current.count > shared || position == 0 {
                for node in path[(shared + 1)...] { skip[node] = Int32(nodeBytes.count) }
                path.removeSubrange((shared + 1)...)
                for byte in current.dropFirst(shared) {
                    path.append(nodeBytes.count)
                    nodeBytes.append(byte)
                    depths.append(UInt8(path.count - 1))
                    skip.append(0)
                    tokenStarts.append(Int32(position))
                }
            }
            previous = current
        }
        for node in path { skip[node] = Int32(nodeBytes.count) }
        tokenStarts.append(Int32(ordered.count))
        self.bytes = nodeBytes
        self.depths = depths
        self.skip = skip
        self.tokens = ordered
        self.tokenStarts = tokenStarts
        self.text = text
        self.textStarts = textStarts
    }

    /// Tokens that have text, by their bytes and then by id.
    private static func sorted(_ text: [UInt8], _ starts: [Int32]) -> [Int32] {
        text.withUnsafeBufferPointer { text in
            starts.withUnsafeBufferPointer { starts in
                func bytes(_ token: Int32) -> UnsafeBufferPointer<UInt8> {
                    UnsafeBufferPointer(rebasing: text[Int(starts[Int(token)])..<Int(starts[Int(token) + 1])])
                }
                return (0..<Int32(starts.count - 1)).filter { !bytes($0).isEmpty }.sorted { a, b in
                    let (x, y) = (bytes(a), bytes(b))
                    for index in 0..<min(x.count, y.count) where x[index] != y[index] { return x[index] < y[index] }
                    return (x.count, a) < (y.count, b)
                }
            }
        }
    }

    /// The trie's arrays in place, for a walk of all of it.
    struct Trie {
        let bytes: UnsafeBufferPointer<UInt8>
        let depths: UnsafeBufferPointer<UInt8>
        let skip: UnsafeBufferPointer<Int32>
        let tokens: UnsafeBufferPointer<Int32>
        let tokenStarts: UnsafeBufferPointer<Int32>
    }

    func withTrie(_ body: (Trie) -> Void) {
        bytes.withUnsafeBufferPointer { bytes in
            depths.withUnsafeBufferPointer { depths in
                skip.withUnsafeBufferPointer { skip in
                    tokens.withUnsafeBufferPointer { tokens in
                        tokenStarts.withUnsafeBufferPointer { starts in
                            body(Trie(bytes: bytes, depths: depths, skip: skip, tokens: tokens, tokenStarts: starts))
                        }
                    }
                }
            }
        }
    }

    /// The bytes of a token; empty when it has no text or is outside the vocabulary.
    func bytes(of token: Int32) -> ArraySlice<UInt8> {
        guard token >= 0, Int(token) < tokenCount else { return [] }
        return text[Int(textStarts[Int(token)])..<Int(textStarts[Int(token) + 1])]
    }

    /// The same as an array.
    public func text(of token: Int32) -> [UInt8] { Array(bytes(of: token)) }

    /// The child of `node` under `byte`.
    func child(of node: Int, _ byte: UInt8) -> Int? {
        var child = node + 1
        while child < Int(skip[node]) {
            if bytes[child] == byte { return child }
            child = Int(skip[child])
        }
        return nil
    }
}
