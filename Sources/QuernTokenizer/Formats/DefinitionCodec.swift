// A definition as bytes, for the archive: arrays that are read whole, so that opening a packed model costs milliseconds.
//
// Little-endian: version u8, pre-tokenizer u8, normalizer u8, flags u8 (1 ignores merges, 2 adds BOS), bos/eos/pad i32 (-1
// for none), counts u32 of tokens, bytes, merges and character entries; then ends u32 per token, kind u8 per token (bit 7 is
// `CompiledFacts.isReachable`), the bytes, left, right, result i32 per merge, code point and entry u32 per character entry,
// and the bits of the join filter.
// Invariant: reading is bounds-checked and ends in `validate`.

extension TokenizerDefinition {
    private static let codecVersion: UInt8 = 2
    private static let reachableBit: UInt8 = 0x80

    /// The definition with what compiling it found out.
    public func serialized() -> [UInt8] {
        let compiled = compiled ?? CompiledFacts(self)
        var bytes: [UInt8] = [
            Self.codecVersion, preTokenizer.rawValue, normalizer.rawValue, (ignoresMerges ? 1 : 0) | (addsBOS ? 2 : 0),
        ]
        func append(_ number: Int32) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        for token in [bosTokenID, eosTokenID, padTokenID] { append(token ?? -1) }
        for count in [tokens.count, tokens.bytes.count, merges.count, compiled.characters.count / 2] { append(Int32(count)) }
        for end in tokens.ends { append(Int32(end)) }
        for (kind, isReachable) in zip(kinds, compiled.isReachable) { bytes.append(kind.rawValue | (isReachable ? Self.reachableBit : 0)) }
        bytes += tokens.bytes
        for merge in merges {
            append(merge.left)
            append(merge.right)
            append(merge.result)
        }
        for number in compiled.characters { append(Int32(bitPattern: number)) }
        for word in compiled.joins { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
        return bytes
    }

    /// - Throws: naming the field and what is wrong with it; the bytes may come from anywhere.
    public init(serialized bytes: [UInt8]) throws(TokenizerError) {
        self.init()
        var reader = DefinitionReader(bytes: bytes)
        let version = try reader.byte("version")
        guard version == Self.codecVersion else {
            throw TokenizerError(
                field: "version", detail: "is \(version), this build reads \(Self.codecVersion); pack the model again")
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
        let tokenCount = try reader.count("token count", limit: Limits.tokens)
        let byteCount = try reader.count("byte count", limit: Limits.bytes)
        let mergeCount = try reader.count("merge count", limit: Limits.merges)
        let characterCount = try reader.count("character count", limit: 0x11000)
        let ends = try reader.array(tokenCount, of: UInt32.self, "token ends")
        for index in ends.indices where ends[index] > byteCount || index > 0 && ends[index] < ends[index - 1] {
            throw TokenizerError(field: "token \(index)", detail: "ends at \(ends[index]) of \(byteCount) bytes")
        }
        guard Int(ends.last ?? 0) == byteCount else {
            throw TokenizerError(field: "byte count", detail: "is \(byteCount), the tokens have \(ends.last ?? 0)")
        }
        let kindBytes = try reader.array(tokenCount, of: UInt8.self, "token kinds")
        kinds.reserveCapacity(tokenCount)
        for (index, byte) in kindBytes.enumerated() {
            guard let kind = TokenKind(rawValue: byte & ~Self.reachableBit) else {
                throw TokenizerError(field: "token \(index)", detail: "has an unknown kind")
            }
            kinds.append(kind)
        }
        tokens = TokenList(bytes: try reader.array(byteCount, of: UInt8.self, "token bytes"), ends: ends)
        merges = try reader.array(mergeCount, of: Merge.self, "merges")
        compiled = CompiledFacts(
            isReachable: kindBytes.map { $0 & Self.reachableBit != 0 },
            characters: try reader.array(2 * characterCount, of: UInt32.self, "character entries"),
            joins: try reader.array(JoinFilter.wordCount, of: UInt64.self, "join filter"))
        guard reader.isAtEnd else { throw TokenizerError(field: "data", detail: "has bytes after the tables") }
        try validate()
    }
}

private struct DefinitionReader {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    /// `count` fixed-size numbers, or structures of them, copied as they lie (little-endian, as every supported machine).
    mutating func array<T: BitwiseCopyable>(_ count: Int, of type: T.Type, _ field: String) throws(TokenizerError) -> [T] {
        guard count <= (bytes.count - offset) / MemoryLayout<T>.stride else {
            throw TokenizerError(field: field, detail: "are cut off at byte \(bytes.count)")
        }
        let size = count * MemoryLayout<T>.stride
        defer { offset += size }
        return Array(unsafeUninitializedCapacity: count) { target, initialized in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(target).copyMemory(from: .init(rebasing: $0[offset..<(offset + size)])) }
            initialized = count
        }
    }

    mutating func byte(_ field: String) throws(TokenizerError) -> UInt8 {
        guard offset < bytes.count else { throw TokenizerError(field: field, detail: "is cut off at byte \(offset)") }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func token(_ field: String) throws(TokenizerError) -> TokenID? {
        let id = try array(1, of: Int32.self, field)[0]
        return id == -1 ? nil : id
    }

    mutating func count(_ field: String, limit: Int) throws(TokenizerError) -> Int {
        let number = Int(try array(1, of: Int32.self, field)[0])
        guard number >= 0, number <= limit else {
            throw TokenizerError(field: field, detail: "is \(number), the limit is \(limit)")
        }
        return number
    }
}
