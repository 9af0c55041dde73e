// Sends planned requests to a daemon and notes when every token arrives.
//
// Owns: the clock of a load. Does not own: what is sent (PlannedRequest) or what it means (LoadResult). Invariant: in an open
// loop a request is due at its own time, however late the ones before it are, and its latency counts from then.
import Foundation
import QuernJSON
import QuernMeasure

struct LoadGenerator: Sendable {
    let client: APIClient
    let model: String
    let vocabulary: Int
    /// Makes the prompts of this load text that no load before it had.
    let salt = UInt64.random(in: 0 ... .max)

    /// `count` requests under way at any time, in order, until all are done or `seconds` are over.
    func closed(
        _ requests: [PlannedRequest], concurrency: Int, seconds: Double, progress: @escaping @Sendable (Double) -> Void
    ) async -> [RequestRecord] {
        let start = ContinuousClock.now
        return await withTaskGroup(of: RequestRecord.self) { group in
            var (next, records) = (0, [RequestRecord]())
            func sendNext() {
                let now = (ContinuousClock.now - start) / .seconds(1)
                guard next < requests.count, now < seconds else { return }
                let request = requests[next]
                next += 1
                group.addTask { await send(request, due: now, start: start) }
            }
            for _ in 0..<concurrency { sendNext() }
            while let record = await group.next() {
                records.append(record)
                progress(Double(records.count) / Double(requests.count))
                sendNext()
            }
            return records
        }
    }

    /// Every request at its own time.
    func open(_ requests: [PlannedRequest], progress: @escaping @Sendable (Double) -> Void) async -> [RequestRecord] {
        let start = ContinuousClock.now
        return await withTaskGroup(of: RequestRecord.self) { group in
            for request in requests {
                group.addTask {
                    try? await Task.sleep(until: start + .seconds(request.offset))
                    return await send(request, due: request.offset, start: start)
                }
            }
            var records: [RequestRecord] = []
            for await record in group {
                records.append(record)
                progress(Double(records.count) / Double(requests.count))
            }
            return records
        }
    }

    private func send(_ request: PlannedRequest, due: Double, start: ContinuousClock.Instant) async -> RequestRecord {
        var record = RequestRecord(due: due)
        var random = SystemRandomNumberGenerator()
        let prompt = request.prompt(vocabulary: vocabulary, salt: salt, using: &random)
        // Only what a trace says is shared may be found in the prefix cache.
        let domain = request.blocks.isEmpty ? random.next() : salt
        let body: JSONValue = [
            "model": .string(model), "cache_salt": .string("bench-\(domain)"), "prompt": .array(prompt.map { .int(Int64($0)) }),
            "max_tokens": .int(Int64(request.outputTokens)), "temperature": 0, "ignore_eos": true, "return_tokens": true,
            "stream": true, "stream_options": ["include_usage": true],
        ]
        do {
            try await client.stream("/v1/completions", body) { event in
                if event["choices"]?.arrayValue?.first?["tokens"]?.arrayValue?.isEmpty == false {
                    record.arrivals.append((ContinuousClock.now - start) / .seconds(1))
                }
                if let usage = event["usage"] {
                    record.promptTokens = Int(usage["prompt_tokens"]?.intValue ?? 0)
                    record.outputTokens = Int(usage["completion_tokens"]?.intValue ?? 0)
                    record.cachedTokens = Int(usage["prompt_tokens_details"]?["cached_tokens"]?.intValue ?? 0)
                }
                return true
            }
        } catch {
            record.error = (error as? Failure)?.message ?? "\(error)"
        }
        record.ended = (ContinuousClock.now - start) / .seconds(1)
        return record
    }
}
