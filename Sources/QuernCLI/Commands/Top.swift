import ArgumentParser
import Foundation
import Glibc
import QuernJSON
import QuernMeasure
import QuernServer

/// What the daemon does now.
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the daemon: requests, tokens per second, KV blocks, bandwidth, queue.",
        discussion: """
            Reads the daemon's metrics once per interval and shows the difference. On a terminal the view is drawn again in place; \
            elsewhere frames follow one another. Ctrl-C ends it.

            JSON: one object per line with requests_running, requests_waiting, requests_per_second, tokens_per_second, \
            prompt_tokens_per_second, steps_per_second, ttft_ms, tpot_ms, kv_usage, prefix_blocks, weight_gigabytes_per_second, \
            resident_bytes, processor_share.

            Examples:
              quern top
              quern top --bandwidth 24.5
              quern top --count 1 --json | jq .tokens_per_second
            """)

    @Option(help: "Seconds between readings.")
    var interval = 1.0

    @Option(name: [.customShort("n"), .long], help: "End after this many frames.")
    var count: Int?

    @Option(help: "What the machine reads at most, in GB/s (default: what `quern calibrate` measured).")
    var bandwidth: Double?

    @Flag(help: "Print JSON, one object per line.")
    var json = false

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions
    @OptionGroup var sockets: SocketOptions

    func validate() throws {
        if !(0.05...3600).contains(interval) { throw ValidationError("--interval is \(interval), allowed is 0.05...3600") }
        if let count, count < 1 { throw ValidationError("--count is \(count), it must be at least 1") }
        if let bandwidth, !(bandwidth > 0 && bandwidth < 1e6) { throw ValidationError("--bandwidth is \(bandwidth), it must be above 0") }
    }

    func run() async throws {
        let client = APIClient(peer: .daemon(socket: sockets.paths(try source.settings()).http))
        var view = TopView(readBandwidth: try readBandwidth, width: Terminal.columns)
        var (last, lastTime) = (try await client.metrics(), ContinuousClock.now)
        var shown = 0
        while shown < count ?? .max {
            try await Task.sleep(for: .seconds(interval))
            let (now, time) = (try await client.metrics(), ContinuousClock.now)
            let rates = LiveRates(from: last, to: now, seconds: (time - lastTime) / .seconds(1))
            (last, lastTime) = (now, time)
            shown += 1
            let up = now["process_start_time_seconds"].map { Date().timeIntervalSince1970 - $0 }
            let text = json ? rates.json.serialized() : view.frame(rates, now, upSeconds: up)
            let isTerminal = isatty(1) == 1 && !json
            // Home, the frame, and whatever an older one left below.
            let output = isTerminal ? "\u{1B}[H\u{1B}[2J\(Terminal.escaped(text))\n" : json || shown == 1 ? text + "\n" : "\n\(text)\n"
            if try StandardOutput.draw(output) == .closed { return }
        }
    }
}

extension Top {
    /// What was given, else what `quern calibrate` measured.
    private var readBandwidth: Double? {
        get throws {
            if let bandwidth { return bandwidth * 1e9 }
            return try ProfileLocator.walls()?.readBandwidth
        }
    }
}

extension APIClient {
    fileprivate func metrics() async throws -> MetricsSnapshot { MetricsSnapshot(parsing: try await getText("/metrics")) }
}
