// What the daemon counted since it started.
//
// Owns: counts of requests and histograms of their times. Does not own: the engine's counters, which it reads when asked.
// Invariant: one short critical section per request, none per token.
import QuernAPI
import QuernEngine
import Synchronization

final class Metrics: Sendable {
    private struct State {
        var requests: [RequestLabels: Int] = [:]
        var refusals: [String: Int] = [:]
        var generations: [FinishReason: Int] = [:]
        var histograms: [Measure: Histogram] = [:]
        var bottlenecks: [String: Int] = [:]
    }

    struct RequestLabels: Hashable {
        let endpoint: String
        let status: Int
    }

    /// The distributions; raw values are the names after `quern_`, where vLLM has the same equal to its own so that dashboards carry
    /// over.
    enum Measure: String, CaseIterable {
        case timeToFirstToken = "time_to_first_token_seconds"
        case timePerToken = "time_per_output_token_seconds"
        case queueTime = "request_queue_time_seconds"
        case prefillTime = "request_prefill_time_seconds"
        case decodeTime = "request_decode_time_seconds"
        case wholeTime = "e2e_request_latency_seconds"
        case promptTokens = "request_prompt_tokens"
        case generationTokens = "request_generation_tokens"
        case readRate = "request_read_bytes_per_second"
        case rooflineShare = "request_roofline_share_ratio"
        case projectedRate = "request_projected_tokens_per_second"

        var help: String {
            switch self {
            case .timeToFirstToken: "From arrival to the first token."
            case .timePerToken: "Mean time between tokens after the first, once per request."
            case .queueTime: "From arrival to the first computed token."
            case .prefillTime: "Computing the prompt."
            case .decodeTime: "From the first token to the last."
            case .wholeTime: "From arrival to the last token."
            case .promptTokens: "Tokens per prompt."
            case .generationTokens: "Tokens per completion."
            case .readRate: "What the engine read from the first token to the last."
            case .rooflineShare: "What share that is of what the device in use reads at most."
            case .projectedRate: "What the named device would generate, as expected."
            }
        }

        fileprivate var bounds: [Double] {
            switch self {
            case .promptTokens, .generationTokens: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000]
            case .readRate: (0...20).map { 1e6 * Double(1 << $0) }      // to a terabyte
            case .rooflineShare: [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.5]
            case .projectedRate: (0...14).map { Double(1 << $0) }
            default: [
                0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
            ]
            }
        }
    }

    private let state = Mutex(State())

    func count(endpoint: String, status: Int) {
        state.withLock { $0.requests[RequestLabels(endpoint: endpoint, status: status), default: 0] += 1 }
    }

    func countRefusal(_ code: String) { state.withLock { $0.refusals[code, default: 0] += 1 } }

    /// A generation whose client left.
    func recordAbandoned() { state.withLock { $0.generations[.cancelled, default: 0] += 1 } }

    func record(_ reason: FinishReason, _ usage: Usage, _ timings: Timings, _ measured: Measurements) {
        state.withLock { state in
            func observe(_ measure: Measure, _ value: Double) {
                state.histograms[measure, default: Histogram(bounds: measure.bounds)].observe(value)
            }
            state.generations[reason, default: 0] += 1
            observe(.queueTime, timings.queueMS / 1000)
            observe(.prefillTime, timings.promptMS / 1000)
            observe(.decodeTime, timings.predictedMS / 1000)
            observe(.wholeTime, (timings.queueMS + timings.promptMS + timings.predictedMS) / 1000)
            observe(.promptTokens, Double(usage.promptTokens))
            observe(.generationTokens, Double(usage.completionTokens))
            if usage.completionTokens > 0 { observe(.timeToFirstToken, (timings.queueMS + timings.promptMS) / 1000) }
            if let projection = measured.projection {
                observe(.projectedRate, projection.rate.expected)
                state.bottlenecks[projection.bottleneck, default: 0] += 1
            }
            guard usage.completionTokens > 1 else { return }
            observe(.timePerToken, timings.predictedMS / 1000 / Double(usage.completionTokens - 1))
            observe(.readRate, measured.readRate)
            if let share = measured.rooflineShare { observe(.rooflineShare, share) }
        }
    }

    /// Appends everything counted here.
    func write(to text: inout PrometheusText) {
        let state = state.withLock { $0 }
        text.family("requests_total", .counter, "HTTP requests answered.", state.requests.map { labels, count in
            ([("endpoint", labels.endpoint), ("status", "\(labels.status)")], Double(count))
        })
        text.family("admission_refusals_total", .counter, "Requests turned away for want of room.", state.refusals.map {
            ([("reason", $0)], Double($1))
        })
        text.family("generations_total", .counter, "Completions and embeddings finished.", state.generations.map {
            ([("finish_reason", $0.rawValue)], Double($1))
        })
        text.family("projected_bottleneck_total", .counter, "Completions by what the named device would have waited for.", state.bottlenecks.map {
            ([("bottleneck", $0)], Double($1))
        })
        for measure in Measure.allCases {
            text.histogram(measure.rawValue, measure.help, state.histograms[measure] ?? Histogram(bounds: measure.bounds))
        }
    }
}

/// Counts of values in ascending ranges.
struct Histogram {
    let bounds: [Double]
    /// Values up to each bound, and not up to the one before; last those above all.
    private(set) var counts: [Int]
    private(set) var sum = 0.0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    mutating func observe(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }
}
