// A load in the shape of the file that `vllm bench serve --save-result` writes, so that its readers read it.
import QuernJSON

extension LoadResult {
    /// - Parameter date: as `20260131-235959`.
    public func vllmJSON(model: String, date: String) -> JSONValue {
        var object = JSONObject()
        object.append("date", .string(date))
        object.append("endpoint_type", "openai")
        object.append("backend", "openai")
        object.append("label", "quern")
        object.append("model_id", .string(model))
        object.append("tokenizer_id", .string(model))
        object.append("num_prompts", .int(Int64(records.count)))
        var concurrency: Int?
        if case .closed(let count) = arrivals { concurrency = count }
        object.append("request_rate", concurrency == nil ? .double(offeredRate) : "inf")
        object.append("burstiness", 1.0)
        object.append("max_concurrency", concurrency.map { .int(Int64($0)) } ?? .null)
        object.append("duration", .double(duration))
        object.append("completed", .int(Int64(completed)))
        object.append("failed", .int(Int64(failed)))
        object.append("total_input_tokens", .int(Int64(promptTokens)))
        object.append("total_output_tokens", .int(Int64(outputTokens)))
        object.append("request_throughput", .double(requestRate))
        object.append("request_goodput", goodput.map { .double($0) } ?? .null)
        object.append("output_throughput", .double(outputRate))
        object.append("total_token_throughput", .double(totalRate))
        let timeline = Timeline(self)
        object.append("max_output_tokens_per_s", .double((timeline.rows.map { Double($0.outputTokens) }.max() ?? 0) / timeline.interval))
        object.append("max_concurrent_requests", .int(Int64(mostAtOnce)))
        for (name, figures) in [("ttft", timeToFirst), ("tpot", timePerToken), ("itl", gaps), ("e2el", wholeTime)] {
            object.append("mean_\(name)_ms", .double(figures.mean * 1000))
            object.append("median_\(name)_ms", .double(figures.median * 1000))
            object.append("std_\(name)_ms", .double(figures.standardDeviation * 1000))
            object.append("p90_\(name)_ms", .double(figures.p90 * 1000))
            object.append("p95_\(name)_ms", .double(figures.p95 * 1000))
            object.append("p99_\(name)_ms", .double(figures.p99 * 1000))
        }
        return .object(object)
    }

    private var offeredRate: Double {
        guard case .poisson(let rate) = arrivals else {
            let span = (records.map(\.due).max() ?? 0) - (records.map(\.due).min() ?? 0)
            return span > 0 ? Double(records.count - 1) / span : 0
        }
        return rate
    }

    private var mostAtOnce: Int {
        let changes = records.flatMap { [($0.due, 1), ($0.ended, -1)] }.sorted { $0.0 < $1.0 }
        var (now, most) = (0, 0)
        for (_, change) in changes {
            now += change
            most = max(most, now)
        }
        return most
    }
}
