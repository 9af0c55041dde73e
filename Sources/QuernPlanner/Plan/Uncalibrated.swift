// What is assumed of a device that nobody measured: wide intervals around the customary shares of its peaks.
//
// Sources of the middle values: AIConfigurator's fallback (80 % of the bandwidth), InferSim (80 %), and the spread of the
// calibrations in Profiles/, which reach from 22 % (4-bit weights, H20) to 98 % (A100) of the bandwidth, 29 % to 95 % of the
// arithmetic, and 20 to 150 us per layer.

enum Uncalibrated {
    /// Shares of the peak bandwidth that reading weights, keys and values reaches.
    static let read = Estimate(low: 0.36, expected: 0.8, high: 1)
    /// The same of a bandwidth that kernels were measured to reach.
    static let measuredRead = Estimate(low: 0.85, expected: 1, high: 1.08)
    /// Shares of the peak arithmetic.
    static let compute = Estimate(low: 0.3, expected: 0.6, high: 0.95)
    /// Operations per byte of bandwidth where arithmetic is unknown: from a CPU to an H100.
    static let operationsPerByte = Estimate(low: 8, expected: 40, high: 300)
    /// Seconds per layer and step; the low speed is the long time.
    static let layerOverhead = Estimate(low: 150e-6, expected: 40e-6, high: 0)
    /// Seconds of one all-reduce.
    static let linkLatency = Estimate(low: 30e-6, expected: 10e-6, high: 3e-6)
    /// Shares of a link's one-directional bandwidth that an all-reduce reaches (334 of 400 GB/s on the Zhenwu M890).
    static let link = Estimate(low: 0.4, expected: 0.8, high: 1)
    /// A share of memory for models, as vLLM's default.
    static let memoryShare = 0.9
    /// Prompt tokens of one step.
    static let chunk = 8192.0
}
