// What a daemon does now: the difference of two readings of its metrics.

public struct LiveRates: Sendable {
    /// Tokens generated and forward passes per second between the readings.
    public let generationRate: Double
    public let stepRate: Double
    /// Prompt tokens per second, of the prompts whose answers ended.
    public let promptRate: Double
    /// Completions that ended per second.
    public let requestRate: Double
    /// Mean seconds of the requests that ended, nil when none did.
    public let timeToFirst: Double?
    public let timePerToken: Double?
    public let running: Double
    public let waiting: Double
    /// Share of the key and value blocks in use, and how many more hold prefixes to use again.
    public let cacheUse: Double
    public let cachedBlocks: Double
    /// Weights read per second; beside the machine's read bandwidth this is how near the wall it is.
    public let weightBytesPerSecond: Double
    public let residentBytes: Double
    public let processorShare: Double

    public init(from old: MetricsSnapshot, to new: MetricsSnapshot, seconds: Double) {
        func rate(_ name: String) -> Double { seconds > 0 ? max(0, ((new[name] ?? 0) - (old[name] ?? 0)) / seconds) : 0 }
        func mean(_ name: String) -> Double? {
            let count = (new[name + "_count"] ?? 0) - (old[name + "_count"] ?? 0)
            return count > 0 ? ((new[name + "_sum"] ?? 0) - (old[name + "_sum"] ?? 0)) / count : nil
        }
        generationRate = rate("quern_generation_tokens_total")
        stepRate = rate("quern_engine_steps_total")
        promptRate = rate("quern_prompt_tokens_total")
        requestRate = rate("quern_generations_total")
        timeToFirst = mean("quern_time_to_first_token_seconds")
        timePerToken = mean("quern_time_per_output_token_seconds")
        running = new["quern_requests_running"] ?? 0
        waiting = new["quern_requests_waiting"] ?? 0
        cacheUse = new["quern_kv_cache_usage_ratio"] ?? 0
        cachedBlocks = new["quern_prefix_cache_blocks"] ?? 0
        weightBytesPerSecond = stepRate * (new["quern_weights_bytes"] ?? 0)
        residentBytes = new["process_resident_memory_bytes"] ?? 0
        processorShare = rate("process_cpu_seconds_total")
    }
}
