// A definition as bytes, for the archive.
//
// Little-endian: version u8, pre-tokenizer u8, normalizer u8, flags u8 (1 ignores merges, 2 adds BOS), bos/eos/pad i32
// (-1 for none), token count u32, per token: kind u8, length u32, bytes; merge count u32, per merge: left, right, result i32.
// Invariant: reading is bounds-checked and ends in `validate`.

extension TokenizerDefinition {
    private static let codecVersion: UInt8 = 1

    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = [
            Self.codecVersion, preTokenizer.rawValue, normalizer.rawValue, (ignoresMerges ? 1 : 0) | (addsBOS ? 2 : 0),
        ]
        func append(_ number: Int32) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        for token in [bosTokenID, eosTokenID, padTokenID] { append(token ?? -1) }
        append(Int32(tokens.count))
        for (token, kind) in zip(tokens, kinds) {
            bytes.append(kind.rawValue)
            append(Int32(token.count))
            bytes += token
        }
        append(Int32(merges.count))
        for merge in merges {
            append(merge.left)
            append(merge.right)
            append(merge.result)
        }
        return bytes
    }

    public init(serialized bytes: [UInt8]) throws(TokenizerError) {
        self.init()
        var reader = DefinitionReader(bytes: bytes)
        let version = try reader.byte("version")
        guard version == Self.codecVersion else {
            throw TokenizerError(field: "version", detail: "is \(version), this build reads \(Self.codecVersion)")
        }
        guard let pre = PreTokenizerKind(rawValue: try reader.byte("pre-tokenizer")) else {
            throw TokenizerError(field: "pre-tokenizer", detail: "is unknown to this build")
        }
        guard let form = NormalizerKind(rawValue: try reader.byte("normalizer")) else {
            throw TokenizerError(field: "normalizer", detail: "is unknown to this build")
        }
        preTokenizer = pre
        normalizer = form
        let flags = try reader.byte("flags")
        ignoresMerges = flags & 1 != 0
        addsBOS = flags & 2 != 0
        bosTokenID = try reader.token("bos token")
        eosTokenID = try reader.token("eos token")
        padTokenID = try reader.token("pad token")
        let count = try reader.count("token count", limit: Limits.tokens, minimumBytes: 5)
        tokens.reserveCapacity(count)
        kinds.reserveCapacity(count)
        for index in 0..<count {
            guard let kind = TokenKind(rawValue: try reader.byte("token \(index) kind")) else {
                throw TokenizerError(field: "token \(index)", detail: "has an unknown kind")
            }
            let length = try reader.count("token \(index) length", limit: Limits.tokenBytes, minimumBytes: 1)
            kinds.append(kind)
            tokens.append(try reader.bytes(length, "token \(index)"))
        }
        let mergeCount = try reader.count("merge count", limit: Limits.merges, minimumBytes: 12)
        merges.reserveCapacity(mergeCount)
        for _ in 0..<mergeCount {
            merges.append(
                Merge(
                    left: try reader.integer("merge"), right: try reader.integer("merge"),
                    result: try reader.integer("merge")))
        }
        guard reader.isAtEnd else { throw TokenizerError(field: "data", detail: "has bytes after the merges") }
        try validate()
    }
}

private struct DefinitionReader {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func bytes(_ count: Int, _ field: @autoclosure () -> String) throws(TokenizerError) -> [UInt8] {
        guard count <= bytes.count - offset else {
            throw TokenizerError(field: field(), detail: "is cut off at byte \(offset)")
        }
        defer { offset += count }
        return Array(bytes[offset..<(offset + count)])
    }

    mutating func byte(_ field: @autoclosure () -> String) throws(TokenizerError) -> UInt8 {
        guard offset < bytes.count else { throw TokenizerError(field: field(), detail: "is cut off at byte \(offset)") }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func integer(_ field: @autoclosure () -> String) throws(TokenizerError) -> Int32 {
        guard bytes.count - offset >= 4 else { throw TokenizerError(field: field(), detail: "is cut off at byte \(offset)") }
        defer { offset += 4 }
        return (0..<4).reduce(Int32(0)) { $0 | Int32(bytes[offset + $1]) << (8 * Int32($1)) }
    }

    mutating func token(_ field: String) throws(TokenizerError) -> TokenID? {
        let id = try integer(field)
        return id == -1 ? nil : id
    }

    mutating func count(_ field: @autoclosure () -> String, limit: Int, minimumBytes: Int) throws(TokenizerError) -> Int {
        let number = Int(try integer(field()))
        guard number >= 0, number <= limit, number * minimumBytes <= bytes.count - offset else {
            throw TokenizerError(field: field(), detail: "is \(number), more than the limit of \(limit) or the bytes left")
        }
        return number
    }
}
