// The exact rank-sum test against known values, and comparisons of reports.
import QuernJSON
import QuernMeasure
import Testing

@Suite struct SignificanceTests {
    /// 2 / 252 for complete separation of five and five; the second pair is the worked example of scipy.stats.mannwhitneyu.
    @Test(arguments: [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2.0 / 252), ([19, 22, 16, 29, 24], [20, 11, 17, 12], 1.0 / 9),
        ([1, 1, 2], [2, 3, 3], 0.2), ([4, 4, 4], [4, 4, 4], 1), ([1], [2, 3, 4, 5, 6], 1.0 / 3),
    ] as [([Double], [Double], Double)])
    func pValues(_ a: [Double], _ b: [Double], _ expected: Double) throws {
        #expect(abs(try #require(RankSumTest(a, b)).pValue - expected) < 1e-12)
        #expect(abs(try #require(RankSumTest(b, a)).pValue - expected) < 1e-12)
    }

    @Test func sizesAreBounded() throws {
        #expect(RankSumTest([], [1]) == nil)
        #expect(RankSumTest([1], Array(repeating: 1, count: 101)) == nil)
        let full = (0..<100).map { Double($0) }
        #expect(try #require(RankSumTest(full, full.map { $0 + 0.5 })).pValue > 0.5)
        #expect(try #require(RankSumTest(full, full.map { $0 + 60 })).pValue < 1e-6)
        #expect(try #require(RankSumTest([1], [2])).leastPValue == 1)
    }

    private func report(_ rates: [[Double]], threads: Int = 2) -> BenchReport {
        var subject = BenchReport.Subject()
        subject.model = "m"
        subject.threads = threads
        let series = rates.enumerated().map { BenchSeries(.init(kind: .decode, tokens: $0 + 1, depth: 0, batch: 1), runs: $1) }
        return BenchReport(subject: subject, series: series)
    }

    @Test func verdicts() {
        let old = report([[10, 11, 12, 13, 14], [10, 11, 12, 13, 14], [10, 11, 12, 13, 14], [5, 6]])
        let new = report([[20, 21, 22, 23, 24], [1, 2, 3, 4, 5], [10.5, 11.5, 12.5, 13.5, 9], [7, 8]], threads: 1)
        let comparison = BenchComparison(old: old, new: new)
        #expect(comparison.rows.map(\.verdict) == [.faster, .slower, .same, .tooFew])
        #expect(comparison.notes.contains("threads differs: 2 before, 1 now"))
        #expect(comparison.json["results"]?.arrayValue?.first?["change"]?.doubleValue == 22.0 / 12 - 1)
    }

    /// One lucky load among many is no discovery; the same p in all of them is.
    @Test func manyLoadsDoNotFindMoreByChance() {
        let same: [Double] = [10, 11, 12, 13, 14]
        let shifted = same.map { $0 + 5 }
        let old = report(Array(repeating: same, count: 10))
        let one = report([shifted] + Array(repeating: same, count: 9))
        #expect(BenchComparison(old: old, new: one).rows[0].verdict == .tooFew)
        let all = report(Array(repeating: shifted, count: 10))
        #expect(BenchComparison(old: old, new: all).rows.allSatisfy { $0.verdict == .faster })
    }

    @Test func loadsOnlyInOneReportAreNamed() {
        let comparison = BenchComparison(old: report([[1, 2]]), new: report([[1, 2], [3, 4]]))
        #expect(comparison.rows.count == 1)
        #expect(comparison.notes.last == "only in one report: decode 2")
    }

    @Test func middleAndSpread() {
        #expect([3, 1, 2].median == 2)
        #expect([4, 1, 2, 3].median == 2.5)
        #expect([Double]().median == 0)
        #expect([1, 5, 2].halfRange == 2)
    }
}
