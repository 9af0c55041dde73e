// The bytes of every token, end to end in one buffer.
//
// A vocabulary as an array of arrays costs 150,000 allocations to read; this costs two. Invariant: `ends` ascends and its
// last element is the length of `bytes`.

public struct TokenList: Sendable, Equatable {
    /// All tokens' bytes in order of their ids.
    public private(set) var bytes: [UInt8] = []
    /// `ends[i]` is where token `i` ends in `bytes`.
    private(set) var ends: [UInt32] = []

    public init() {}

    public init(_ tokens: some Sequence<some Collection<UInt8>>) {
        for token in tokens { append(token) }
    }

    /// - Precondition: `ends` ascends to `bytes.count`; whoever reads them from a file checks it.
    init(bytes: [UInt8], ends: [UInt32]) {
        self.bytes = bytes
        self.ends = ends
    }

    public var count: Int { ends.count }
    public var isEmpty: Bool { ends.isEmpty }
    public var indices: Range<Int> { 0..<ends.count }

    public func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index]) }

    public subscript(_ index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

    public mutating func append(_ token: some Collection<UInt8>) {
        bytes.append(contentsOf: token)
        ends.append(UInt32(bytes.count))
    }

    mutating func reserveCapacity(_ count: Int) {
        ends.reserveCapacity(count)
        bytes.reserveCapacity(count * 8)
    }
}
