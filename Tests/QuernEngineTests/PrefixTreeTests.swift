// The tree of cached prefixes, alone: what is found, who owns which block, what goes first.
import QuernEngine
import Testing

@Suite struct PrefixTreeTests {
    private let size = 4

    private func tokens(_ values: Int...) -> [TokenID] { values.map { TokenID($0) } }

    /// A pool's first blocks, as names.
    private func blocks(_ count: Int) -> [BlockID] {
        var pool = BlockPool(blockCount: count)
        return pool.allocate(count) ?? []
    }

    @Test func findsFullBlocksAndPartOfTheNext() {
        var tree = PrefixTree(blockSize: size)
        let block = blocks(3)
        let domain = CacheDomain(owner: 1)
        let empty = tree.match(tokens(1, 2, 3, 4, 5)[...], domain: domain)
        #expect(empty.path.count == 1 && empty.partial == nil)
        tree.retain(empty.path)
        let first = tree.insert(block[0], tokens: tokens(1, 2, 3, 4), under: empty.path[0]) { _ in }
        tree.retain([first])
        let second = tree.insert(block[1], tokens: tokens(5, 6, 7, 8), under: first) { _ in }
        let match = tree.match(tokens(1, 2, 3, 4, 5, 6, 9, 9)[...], domain: domain)
        #expect(match.path == [empty.path[0], first])
        #expect(match.partial?.node == second && match.partial?.count == 2)
        #expect(tree.match(tokens(1, 2, 3, 4)[...], domain: CacheDomain(owner: 2)).path.count == 1)
        #expect(tree.match(tokens(1, 2, 3, 4)[...], domain: CacheDomain(owner: 1, salt: [7])).partial == nil)
    }

    @Test func evictsUnusedTailsFirstAndNeverWhatIsUsed() {
        var tree = PrefixTree(blockSize: size)
        let block = blocks(3)
        let root = tree.match([], domain: CacheDomain()).path
        tree.retain(root)
        var path = root
        for index in 0..<3 {
            let values = tokens(index, index, index, index)
            path.append(tree.insert(block[index], tokens: values, under: path[index]) { _ in })
            tree.retain([path[index + 1]])
        }
        #expect(tree.evict() == nil)
        tree.release([path[2], path[3]])
        #expect(tree.unusedCount == 2)
        #expect(tree.evict() == block[2])
        #expect(tree.evict() == block[1])
        #expect(tree.evict() == nil)
        tree.release([root[0], path[1]])
        #expect(tree.evict() == block[0])
        #expect(tree.unusedCount == 0)
    }

    @Test func longerTailsReplaceUnusedShorterOnes() {
        var tree = PrefixTree(blockSize: size)
        let block = blocks(3)
        let root = tree.match([], domain: CacheDomain()).path
        tree.retain(root)
        var freed: [BlockID] = []
        let short = tree.insert(block[0], tokens: tokens(1, 2), under: root[0]) { freed.append($0) }
        let long = tree.insert(block[1], tokens: tokens(1, 2, 3), under: root[0]) { freed.append($0) }
        #expect(freed == [block[0]])
        let same = tree.insert(block[2], tokens: tokens(1, 2, 3), under: root[0]) { freed.append($0) }
        #expect(same == long && freed == [block[0]])
        #expect(tree.block(of: long) == block[1])
        #expect(tree.unusedCount == 1)
        _ = short
    }

    /// A client that sends a new salt with every request must not make the tree grow.
    @Test func domainsWithoutBlocksLeaveNothing() {
        var tree = PrefixTree(blockSize: size)
        var seen: Set<Int> = []
        for salt in 0..<100 {
            let match = tree.match(tokens(1)[...], domain: CacheDomain(salt: [UInt8(salt)]))
            tree.retain(match.path)
            tree.release(match.path)
            seen.formUnion(match.path)
        }
        #expect(seen.count == 1)
    }
}
