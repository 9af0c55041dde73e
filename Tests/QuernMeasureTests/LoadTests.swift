// Loads: lengths, traces, what became of requests, and the figures made of it.
import Foundation
import QuernJSON
import QuernMeasure
import TestSupport
import Testing

/// Knuth's 64-bit generator: repeatable, and no part of what is tested.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64 = 1
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 33)
    }
}

@Suite struct LoadTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func lengths() throws {
        var random = Seeded()
        func draw(_ text: String) throws -> [Double] {
            let lengths = try LengthDistribution(parsing: text)
            return (0..<20_000).map { _ in Double(lengths.sample(&random)) }
        }
        #expect(try draw("128").allSatisfy { $0 == 128 })
        let uniform = try draw("uniform:10:20")
        #expect(Set(uniform).count == 11 && uniform.min() == 10 && uniform.max() == 20)
        #expect(abs(try draw("normal:200:30").mean - 200) < 2)
        #expect(abs(try draw("normal:200:30").standardDeviation - 30) < 2)
        #expect(abs(try draw("lognormal:200:0.8").median - 200) < 8)
        #expect(abs(try draw("exponential:80").mean - 80) < 3)
        for text in ["", "0", "-5", "x", "uniform:5", "uniform:9:3", "uniform:0:3", "normal:1", "lognormal:0:1", "lognormal:5:999", "exponential:inf",
            "normal:nan:1", "1e9", "uniform:1:9:9"] {
            #expect(throws: MeasureError.self) { try LengthDistribution(parsing: text) }
        }
    }

    @Test func poissonArrivalsHaveTheirRate() {
        var random = Seeded()
        let planned = PlannedRequest.drawn(20_000, prompts: .fixed(1), outputs: .fixed(1), rate: 4, using: &random)
        let gaps = zip(planned, planned.dropFirst()).map { $1.offset - $0.offset }
        #expect(abs(gaps.mean - 0.25) < 0.01)
        #expect(abs(gaps.standardDeviation - 0.25) < 0.01)      // as wide as it is long
        #expect(gaps.allSatisfy { $0 >= 0 })
    }

    @Test func azureTrace() throws {
        let trace = try Trace(parsing: bytes(
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-12-31 23:59:59.5000000,374,44\r\n2024-01-01 00:00:01.2500000,0,9999999\r\n"))
        #expect(trace.requests.map(\.offset) == [0, 1.75])
        #expect(trace.requests.map(\.promptTokens) == [374, 1])
        #expect(trace.requests.map(\.outputTokens) == [44, 1_000_000])
        let scaled = trace.scaled(speed: 0.5, lengths: 0.1)
        #expect(scaled.map(\.offset) == [0, 3.5])
        #expect(scaled.map(\.promptTokens) == [37, 1])
        #expect(trace.scaled(speed: 0.5, lengths: 1, seconds: 3).count == 1)
    }

    @Test func leapDays() throws {
        let trace = try Trace(parsing: bytes(
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-28 00:00:00,1,1\n2024-03-01 00:00:00,1,1\n2100-02-28 00:00:00,1,1\n2100-03-01 00:00:00,1,1\n"))
        let offsets = trace.requests.map(\.offset)
        #expect(offsets[1] - offsets[0] == 2 * 86_400)
        #expect(offsets[3] - offsets[2] == 86_400)
    }

    @Test(arguments: [
        ("", "no requests"), ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"), ("a,b,c\n", "line 1"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,5\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,5,5\n2023-13-16 18:15:46,5,5\n", "line 3"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,-5,5\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,99999999999999999999,5\n", "line 2"),
        ("{\"timestamp\":0}\n", "line 1"), ("{\"timestamp\":1e300,\"input_length\":1,\"output_length\":1}\n", "line 1"),
        ("{\"timestamp\":0,\"input_length\":1,\"output_length\":1}\n{", "line 2"),
    ])
    func brokenTracesNameTheLine(_ text: String, _ expected: String) {
        let error = #expect(throws: MeasureError.self) { try Trace(parsing: bytes(text)) }
        #expect(error?.description.contains(expected) == true)
    }

    /// Equal block names are equal tokens; everything else differs, also between two runs.
    @Test func mooncakeBlocksAreSharedPrefixes() throws {
        let trace = try Trace(parsing: bytes("""
            {"timestamp": 10000, "input_length": 1300, "output_length": 5, "hash_ids": [0, 14, 15]}
            {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [0, 14, 99]}
            """))
        let scaled = trace.scaled(speed: 1, lengths: 0.125)
        #expect(scaled.map(\.offset) == [0, 10])
        #expect(scaled[0].blockTokens == 64)
        var random = Seeded()
        let a = scaled[0].prompt(vocabulary: 1000, salt: 1, using: &random)
        let b = scaled[1].prompt(vocabulary: 1000, salt: 1, using: &random)
        #expect(a.count == 137 && b.count == 162)
        #expect(a.prefix(128) == b.prefix(128))
        #expect(a[128..<137] != b[128..<137])
        #expect(scaled[0].prompt(vocabulary: 1000, salt: 2, using: &random).prefix(64) != a.prefix(64))
        #expect(a.allSatisfy { (0..<1000).contains($0) })
    }

    @Test(.enabled(if: SharedData.has("traces/AzureLLMInferenceTrace_conv.csv"), "shared data is absent"))
    func aRealTrace() throws {
        let trace = try Trace(parsing: SharedData.bytes("traces/AzureLLMInferenceTrace_conv.csv"))
        #expect(trace.requests.count == 19_366)
        #expect(abs((trace.requests.last?.offset ?? 0) - 3501.7219370) < 1e-3)
    }

    private func record(due: Double, arrivals: [Double], ended: Double? = nil, error: String? = nil) -> RequestRecord {
        var record = RequestRecord(due: due)
        record.arrivals = arrivals
        record.outputTokens = arrivals.count
        record.promptTokens = error == nil ? 10 : 0
        record.ended = ended ?? arrivals.last ?? due
        record.error = error
        return record
    }

    private var result: LoadResult {
        get throws {
            LoadResult(
                [
                    record(due: 0, arrivals: [0.5, 0.6, 0.7]), record(due: 1, arrivals: [3, 3.1]),
                    record(due: 2, arrivals: [], ended: 2.5, error: "queue full"), record(due: 2, arrivals: [2.2, 3.2, 4]),
                ], arrivals: .poisson(rate: 2), target: try LatencyTarget(parsing: "ttft:1000,tpot:200"))
        }
    }

    @Test func figures() throws {
        let result = try result
        #expect(result.duration == 4)
        #expect(result.completed == 3 && result.failed == 1)
        #expect(result.outputTokens == 8 && result.outputRate == 2)
        #expect(result.totalRate == 38.0 / 4)
        #expect(result.requestRate == 0.75)
        // The first waits 0.5 s, the second two (too long), the last 0.2 s but then 0.9 s per token (too slow).
        #expect(abs(result.timeToFirst.median - 0.5) < 0.001)
        #expect(abs(result.timeToFirst.p99 - 2) < 0.002)
        #expect(abs(result.gaps.p99 - 1) < 0.001)
        #expect(result.good == 1)
        #expect(result.goodput == 0.25)
    }

    @Test func targets() throws {
        #expect(try LatencyTarget(parsing: "ttft:500,e2el:2000").text == "ttft:500,e2el:2000")
        for text in ["", "ttft", "ttft:", "ttft:-1", "ttft:nan", "p50:3", "ttft:1,"] {
            #expect(throws: MeasureError.self) { try LatencyTarget(parsing: text) }
        }
    }

    @Test func timeline() throws {
        let rows = Timeline(try result).rows
        #expect(rows.map(\.due) == [1, 1, 2, 0])
        #expect(rows.map(\.finished) == [1, 0, 0, 2])
        #expect(rows.map(\.failed) == [0, 0, 1, 0])
        #expect(rows.map(\.running) == [0, 1, 2, 0])
        #expect(rows.map(\.outputTokens) == [3, 0, 1, 4])
        #expect(rows[3].worstTimeToFirst == 2)
        let csv = Timeline.csv([try result]).split(separator: "\n")
        #expect(csv.count == 5)
        #expect(Set(csv.map { $0.split(separator: ",").count }) == [10])
    }

    /// The members that readers of `vllm bench serve` results use.
    @Test func vllmResult() throws {
        let json = try result.vllmJSON(model: "m", date: "20260131-235959")
        #expect(json["completed"] == 3 && json["failed"] == 1 && json["num_prompts"] == 4)
        #expect(json["request_rate"] == 2.0 && json["max_concurrency"] == .null && json["burstiness"] == 1.0)
        #expect(json["total_input_tokens"] == 30 && json["total_output_tokens"] == 8)
        #expect(json["request_throughput"] == 0.75 && json["request_goodput"] == 0.25 && json["output_throughput"] == 2.0)
        #expect(json["max_concurrent_requests"] == 3)
        for name in ["ttft", "tpot", "itl", "e2el"] {
            for figure in ["mean", "median", "std", "p99"] { #expect((json["\(figure)_\(name)_ms"]?.doubleValue ?? 0) > 0) }
        }
        #expect(abs((json["median_ttft_ms"]?.doubleValue ?? 0) - 500) < 1)
    }

    /// Three digits, as a high dynamic range histogram promises.
    @Test func percentiles() {
        let histogram = LatencyHistogram(seconds: (1...10_000).map { Double($0) / 1000 })
        for (percent, expected) in [(50.0, 5.0), (90, 9), (99, 9.9), (100, 10)] {
            #expect(abs(histogram.percentile(percent) / expected - 1) < 0.002)
        }
        #expect(abs(histogram.mean - 5.0005) < 1e-9)
        #expect(LatencyHistogram(seconds: []).percentile(99) == 0)
        #expect(LatencyHistogram(seconds: [1e9, -1, .nan, .infinity]).percentile(100) < 3700)
    }
}
