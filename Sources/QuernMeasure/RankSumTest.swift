// Do two groups of measurements differ? The exact Mann-Whitney test (Wilcoxon's rank sum), two-sided.
//
// Written here because no available package does it. The distribution is counted, not approximated: with the five runs of
// a bench a normal approximation would be a guess. Ties share their mean rank, so the count is a permutation test.

public struct RankSumTest: Sendable {
    /// How often chance alone separates the groups at least as much.
    public let pValue: Double
    /// The least p that groups of these sizes can reach; above the wanted level there are too few runs to tell anything.
    public let leastPValue: Double

    /// Runs per group that can be counted exactly in reasonable time.
    public static let maxRuns = 100

    /// Nil when a group is empty or larger than `maxRuns`. O(n^2 m (n + m)) for groups of n and m.
    public init?(_ a: [Double], _ b: [Double]) {
        guard (1...Self.maxRuns).contains(a.count), (1...Self.maxRuns).contains(b.count) else { return nil }
        let ranks = Self.doubledRanks(a + b)
        let ways = Self.sums(of: ranks, choosing: a.count)
        // Doubled ranks sum to integers; the doubled mean is one too.
        let mean = a.count * (a.count + b.count + 1)
        let found = abs(ranks.prefix(a.count).reduce(0, +) - mean)
        var (total, extreme, most) = (0.0, 0.0, 0.0)
        let farthest = ways.indices.filter { ways[$0] > 0 }.map { abs($0 - mean) }.max() ?? 0
        for (sum, count) in ways.enumerated() {
            total += count
            if abs(sum - mean) >= found { extreme += count }
            if abs(sum - mean) == farthest { most += count }
        }
        pValue = min(1, extreme / total)
        leastPValue = min(1, most / total)
    }

    /// Twice the rank of each value, so that the mean rank of a tie stays an integer.
    private static func doubledRanks(_ values: [Double]) -> [Int] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Int](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in start..<end { ranks[order[place]] = start + 1 + end }
            start = end
        }
        return ranks
    }

    /// In how many ways `count` of `ranks` reach each sum.
    private static func sums(of ranks: [Int], choosing count: Int) -> [Double] {
        let width = ranks.sorted().suffix(count).reduce(0, +) + 1
        var ways = [[Double]](repeating: [Double](repeating: 0, count: width), count: count + 1)
        ways[0][0] = 1
        for (taken, rank) in ranks.enumerated() {
            for chosen in stride(from: min(count, taken + 1), through: 1, by: -1) {
                for sum in stride(from: width - 1, through: rank, by: -1) where ways[chosen - 1][sum - rank] > 0 {
                    ways[chosen][sum] += ways[chosen - 1][sum - rank]
                }
            }
        }
        return ways[count]
    }
}
