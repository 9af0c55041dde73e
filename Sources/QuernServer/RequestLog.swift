// One log line per answer. Never prompt or completion text.
import Logging
import Quern
import QuernEngine
import QuernPlanner

extension Logger {
    func logCompletion(_ reason: FinishReason, _ usage: Usage, _ timings: Timings) {
        func milliseconds(_ value: Double) -> MetadataValue { "\((value * 10).rounded() / 10)" }
        let perToken = usage.completionTokens > 1 ? timings.predictedMS / Double(usage.completionTokens - 1) : 0
        info(
            "answered",
            metadata: [
                "prompt_tokens": "\(usage.promptTokens)", "cached_tokens": "\(usage.cachedTokens)",
                "completion_tokens": "\(usage.completionTokens)", "queue_ms": milliseconds(timings.queueMS),
                "ttft_ms": milliseconds(timings.queueMS + timings.promptMS), "tpot_ms": milliseconds(perToken),
                "finish_reason": "\(reason.rawValue)",
            ])
    }
}

extension Logger {
    /// Lines about what `peer` asked for.
    func naming(_ peer: PeerCredentials?) -> Logger {
        guard let peer else { return self }
        var copy = self
        copy[metadataKey: "uid"] = "\(peer.userID)"
        copy[metadataKey: "pid"] = "\(peer.processID)"
        return copy
    }

    /// Lines about answers at a device's pace.
    func naming(_ device: TargetDevice?) -> Logger {
        guard let device, device.isPaced else { return self }
        var copy = self
        copy[metadataKey: "simulated"] = "\(device.projection.profile.id)"
        return copy
    }
}
