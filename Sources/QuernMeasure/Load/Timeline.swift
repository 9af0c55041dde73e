// A load second by second.

public struct Timeline: Sendable {
    /// What happened in one interval.
    public struct Row: Sendable, Equatable {
        /// Seconds from the beginning to the interval's start.
        public var start = 0.0
        public var due = 0
        public var finished = 0
        public var failed = 0
        /// Requests under way at its end.
        public var running = 0
        /// Tokens of prompts whose answer began.
        public var promptTokens = 0
        /// Tokens that arrived.
        public var outputTokens = 0
        /// Of the answers that began; 0 of none.
        public var medianTimeToFirst = 0.0
        public var worstTimeToFirst = 0.0
    }

    public let interval: Double
    public private(set) var rows: [Row]

    /// In whole seconds, at most 2000 rows.
    public init(_ result: LoadResult) {
        let origin = result.records.map(\.due).min() ?? 0
        let interval = max(1, (result.duration / 2000).rounded(.up))
        let count = max(1, Int((result.duration / interval).rounded(.up)))
        var rows = (0..<count).map { Row(start: Double($0) * interval) }
        var firsts = [[Double]](repeating: [], count: count)
        func place(_ time: Double) -> Int { min(count - 1, max(0, Int((time - origin) / interval))) }
        for record in result.records {
            rows[place(record.due)].due += 1
            let end = place(record.ended)
            if record.isComplete { rows[end].finished += 1 } else { rows[end].failed += 1 }
            if let first = record.arrivals.first {
                rows[place(first)].promptTokens += record.promptTokens
                firsts[place(first)].append(first - record.due)
            }
            for moment in record.arrivals { rows[place(moment)].outputTokens += 1 }
        }
        var running = 0
        for index in rows.indices {
            running += rows[index].due - rows[index].finished - rows[index].failed
            rows[index].running = running
            rows[index].medianTimeToFirst = firsts[index].median
            rows[index].worstTimeToFirst = firsts[index].max() ?? 0
        }
        self.interval = interval
        self.rows = rows
    }

    static let header = "load,seconds,due,finished,failed,running,prompt_tokens_per_second,output_tokens_per_second,"
        + "ttft_median_ms,ttft_max_ms"

    /// One line per interval of every load, under one header.
    public static func csv(_ results: [LoadResult]) -> String {
        var lines = [header]
        for (number, result) in results.enumerated() {
            let timeline = Timeline(result)
            for row in timeline.rows {
                let numbers = [
                    shortest(row.start), "\(row.due)", "\(row.finished)", "\(row.failed)", "\(row.running)",
                    fixed(Double(row.promptTokens) / timeline.interval, 1), fixed(Double(row.outputTokens) / timeline.interval, 1),
                    fixed(row.medianTimeToFirst * 1000, 1), fixed(row.worstTimeToFirst * 1000, 1),
                ]
                lines.append("\(number + 1)," + numbers.joined(separator: ","))
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
