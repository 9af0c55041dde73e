// Two reports side by side: which differences are more than noise.
//
// Runs are compared by the exact Mann-Whitney test. With several loads, Benjamini and Hochberg's procedure keeps the expected
// share of false alarms among the differences it names at 5 %, so that a longer list does not find more by chance. The test says
// that two sets of runs differ, not why: a machine that is slower today looks like a slower program, which is what the walls
// beside the figures are for.
import QuernJSON

public struct BenchComparison: Sendable {
    public enum Verdict: String, Sendable {
        case faster, slower
        case same = "no difference shown"
        case tooFew = "too few runs to tell"
    }

    public struct Row: Sendable, Equatable {
        public let key: BenchSeries.Key
        public let old: Double
        public let new: Double
        public let pValue: Double
        public let verdict: Verdict
    }

    public static let level = 0.05

    public let rows: [Row]
    /// What keeps the comparison from being fair.
    public let notes: [String]

    public init(old: BenchReport, new: BenchReport) {
        let before = Dictionary(old.series.map { ($0.key, $0) }) { first, _ in first }
        let pairs = new.series.compactMap { series in
            before[series.key].flatMap { old in RankSumTest(old.runs, series.runs).map { (old: old, new: series, test: $0) } }
        }
        let isSignificant = Self.discoveries(pairs.map(\.test.pValue))
        rows = pairs.enumerated().map { index, pair in
            let (old, new) = (pair.old.tokensPerSecond, pair.new.tokensPerSecond)
            let verdict: Verdict =
                isSignificant[index] && new != old ? (new > old ? .faster : .slower)
                : pair.test.leastPValue > Self.level / Double(pairs.count) ? .tooFew : .same
            return Row(key: pair.new.key, old: old, new: new, pValue: pair.test.pValue, verdict: verdict)
        }
        var notes = ["exact Mann-Whitney test, two-sided; false alarms held at 5 % of the differences named (Benjamini-Hochberg)"]
        for (a, b) in zip(old.subject.comparable, new.subject.comparable)
        where !a.value.isEmpty && !b.value.isEmpty && a.value != b.value {
            notes.append("\(a.name) differs: \(a.value) before, \(b.value) now")
        }
        if let a = old.walls?.readBandwidth, let b = new.walls?.readBandwidth, abs(b / a - 1) > 0.05 {
            notes.append("the machine differs: it read \(fixed(a / 1e9, 1)) GB/s before and reads \(fixed(b / 1e9, 1)) GB/s now")
        }
        let keys = Set(rows.map(\.key))
        let alone = (old.series + new.series).map(\.key).filter { !keys.contains($0) }
        if !alone.isEmpty { notes.append("only in one report: \(alone.map(\.text).joined(separator: "; "))") }
        self.notes = notes
    }

    /// Which of several tests hold: all up to the largest k whose k-th smallest p is at most k / n of the level.
    static func discoveries(_ pValues: [Double]) -> [Bool] {
        let sorted = pValues.sorted()
        let last = sorted.indices.last { sorted[$0] <= Self.level * Double($0 + 1) / Double(sorted.count) }
        return pValues.map { p in last.map { p <= sorted[$0] } ?? false }
    }

    var table: TextTable {
        var table = TextTable(["load", "before", "now", "change", "p", "verdict"], words: 1)
        for row in rows {
            let change = (row.new >= row.old ? "+" : "") + fixed((row.new / row.old - 1) * 100, 1) + " %"
            table.append([
                row.key.text, fixed(row.old, 1), fixed(row.new, 1), change, fixed(row.pValue, 3), row.verdict.rawValue,
            ])
        }
        return table
    }

    public var json: JSONValue {
        [
            "test": "exact Mann-Whitney, two-sided, Benjamini-Hochberg", "level": .double(Self.level),
            "notes": .array(notes.map { .string($0) }),
            "results": .array(
                rows.map { row in
                    [
                        "kind": .string(row.key.kind.rawValue), "tokens": .int(Int64(row.key.tokens)), "depth": .int(Int64(row.key.depth)),
                        "batch": .int(Int64(row.key.batch)), "before": .double(row.old), "now": .double(row.new),
                        "change": .double(row.new / row.old - 1), "p": .double(row.pValue), "verdict": .string(row.verdict.rawValue),
                    ]
                }),
        ]
    }
}
