// The block pool against a naive model, and the reading of cgroup quotas.
import QuernEngine
import Testing

@Suite struct BlockPoolTests {
    @Test func randomOperationsAgreeWithASet() {
        var random = SystemRandomNumberGenerator()
        var pool = BlockPool(blockCount: 50)
        var held: [[BlockID]] = []
        var free = Set(0..<Int32(50))
        for _ in 0..<100_000 {
            if Bool.random(using: &random) {
                let wanted = Int.random(in: 0...12, using: &random)
                let blocks = pool.allocate(wanted)
                #expect((blocks != nil) == (wanted <= free.count))
                guard let blocks else { continue }
                let indices = Set(blocks.map(\.index))
                #expect(indices.count == wanted && indices.isSubset(of: free))
                free.subtract(indices)
                held.append(blocks)
            } else if let index = held.indices.randomElement(using: &random) {
                let blocks = held.remove(at: index)
                pool.release(blocks)
                free.formUnion(blocks.map(\.index))
            }
            #expect(pool.freeCount == free.count)
        }
    }

    @Test func releasedTailIsReusedFirst() {
        var pool = BlockPool(blockCount: 8)
        let first = pool.allocate(4) ?? []
        pool.release(first)
        let again = pool.allocate(1)
        #expect(first.count == 4)
        #expect(again?.first == first.last)
    }

    @Test func doubleReleaseTraps() async {
        await #expect(processExitsWith: .failure) {
            var pool = BlockPool(blockCount: 2)
            let blocks = pool.allocate(1) ?? []
            pool.release(blocks)
            pool.release(blocks)
        }
    }

    @Test(arguments: [("max 100000", nil), ("150000 100000", 1), ("400000 100000", 4), ("1000 100000", 1), ("x", nil), ("1 0", nil)])
    func cgroupQuotas(_ text: String, _ expected: Int?) {
        #expect(ProcessorCount.processors(text) == expected)
    }
}
