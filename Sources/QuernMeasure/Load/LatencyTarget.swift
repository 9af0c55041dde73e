// A promise about latency, and which requests kept it: goodput counts only those.

public struct LatencyTarget: Sendable, Equatable {
    /// Seconds; nil is no promise.
    public var timeToFirst: Double?
    public var timePerToken: Double?
    public var wholeTime: Double?

    /// From `ttft:500,tpot:100,e2el:20000`, milliseconds each, at least one of them. The names are those of `vllm bench serve`.
    public init(parsing text: String) throws(MeasureError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 2, let value = Double(fields[1]), value > 0, value.isFinite else { throw Self.failure(text) }
            switch fields[0] {
            case "ttft": timeToFirst = value / 1000
            case "tpot": timePerToken = value / 1000
            case "e2el": wholeTime = value / 1000
            default: throw Self.failure(text)
            }
        }
    }

    private static func failure(_ text: String) -> MeasureError {
        MeasureError("\"\(text)\" is not a latency target; write ttft:MS, tpot:MS or e2el:MS, several separated by commas")
    }

    public func isMet(by record: RequestRecord) -> Bool {
        guard record.isComplete else { return false }
        func holds(_ limit: Double?, _ value: Double?) -> Bool { limit.map { (value ?? 0) <= $0 } ?? true }
        return holds(timeToFirst, record.timeToFirst) && holds(timePerToken, record.timePerToken) && holds(wholeTime, record.wholeTime)
    }

    public var text: String {
        func part(_ name: String, _ limit: Double?) -> String? { limit.map { "\(name):\(fixed($0 * 1000, $0 < 0.01 ? 1 : 0))" } }
        return [part("ttft", timeToFirst), part("tpot", timePerToken), part("e2el", wholeTime)].compactMap { $0 }.joined(separator: ",")
    }
}
