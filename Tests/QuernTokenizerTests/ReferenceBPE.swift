// Byte-pair encoding written for clarity: the definition that the fast paths must agree with.
import QuernTokenizer

struct ReferenceBPE {
    private struct Pair: Hashable {
        var left: TokenID
        var right: TokenID
    }

    private var ranks: [Pair: (rank: Int, result: TokenID)] = [:]
    private var initial: [UInt8: TokenID] = [:]

    init(_ definition: TokenizerDefinition) {
        for (rank, merge) in definition.merges.enumerated() where ranks[Pair(left: merge.left, right: merge.right)] == nil {
            ranks[Pair(left: merge.left, right: merge.right)] = (rank, merge.result)
        }
        for index in definition.tokens.indices where definition.tokens[index].count == 1 && definition.kinds[index] == .normal {
            initial[definition.tokens[index].first!] = TokenID(index)
        }
    }

    /// Merges the lowest rank, leftmost, until nothing merges.
    func encode(_ piece: some Sequence<UInt8>) -> [TokenID] {
        var symbols = piece.compactMap { initial[$0] }
        while true {
            var best: (rank: Int, result: TokenID, place: Int)?
            for place in symbols.indices.dropLast() {
                guard let found = ranks[Pair(left: symbols[place], right: symbols[place + 1])] else { continue }
                if best == nil || found.rank < best!.rank { best = (found.rank, found.result, place) }
            }
            guard let best else { return symbols }
            symbols[best.place] = best.result
            symbols.remove(at: best.place + 1)
        }
    }
}
