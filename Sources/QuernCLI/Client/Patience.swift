// Trying again what failed for no fault of the request: a full queue, a daemon that restarts.
import QuernJSON

extension APIClient {
    /// Waits as long as the daemon says that it is busy, and half a minute for one that went away.
    ///
    /// - Throws: `Failure` when the daemon stays away; `CancellationError`.
    func postPatiently(_ path: String, _ body: JSONValue) async throws -> Answer {
        let clock = ContinuousClock()
        var (lastSeen, pause) = (clock.now, Duration.milliseconds(100))
        while true {
            var wait = pause
            do {
                let answer = try await post(path, body)
                guard answer.status == 503 || answer.status == 429 else { return answer }
                lastSeen = clock.now
                if let seconds = answer.retryAfter { wait = max(wait, .seconds(min(seconds, 30))) }
            } catch let failure as Failure where failure.status == 69 && clock.now - lastSeen < .seconds(30) {
                try Task.checkCancellation()
            }
            try await Task.sleep(for: wait)
            pause = min(pause * 2, .seconds(5))
        }
    }
}
