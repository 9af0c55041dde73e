// `quern bench`, in the engine and through a daemon's socket.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct BenchTests {
    private let folder: TemporaryFolder
    private let tiny = QuernBinary.tinyChat

    init() throws { folder = try TemporaryFolder() }

    private func quern(_ arguments: [String]) throws -> QuernBinary.Result { try QuernBinary.run(["bench"] + arguments, folder: folder.url) }

    private func report(_ arguments: [String]) throws -> JSONValue {
        let result = try quern(arguments + ["--json"])
        #expect(result.status == 0, "\(result.error)")
        return try JSONValue(parsing: result.output)
    }

    @Test func everyLoadIsReported() throws {
        let json = try report([tiny, "-p", "16,40", "-n", "6,9", "--depth", "0,150", "--batch", "1,3", "-r", "1"])
        let results = json["results"]?.arrayValue ?? []
        func column(_ name: String) -> [Int64?] { results.map { $0[name]?.intValue } }
        #expect(results.map { $0["kind"]?.stringValue } == Array(repeating: "prefill", count: 4) + Array(repeating: "decode", count: 8))
        #expect(column("tokens") == [16, 40, 16, 40, 6, 6, 9, 9, 6, 6, 9, 9])
        #expect(column("depth") == [0, 0, 150, 150, 0, 0, 0, 0, 150, 150, 150, 150])
        #expect(column("batch") == [1, 1, 1, 1, 1, 3, 1, 3, 1, 3, 1, 3])
        for result in results {
            for name in ["tokens_per_second", "gigabytes_per_second", "gmac_per_second", "wall_share"] {
                #expect((result[name]?.doubleValue ?? 0) > 0, "\(name)")
            }
            #expect(result["runs"]?.arrayValue?.count == 1)
        }
        #expect((json["walls"]?["read_gb_per_second"]?.doubleValue ?? 0) > 0)
        #expect(json["digest"]?.stringValue?.hasPrefix("crc32c:") == true)
        #expect((json["threads"]?.intValue ?? 0) > 0)
        #expect(json["noise"]?["stolen"]?.doubleValue != nil)
    }

    @Test func formatsAndComparison() throws {
        let arguments = [tiny, "-p", "16", "-n", "6", "-r", "2", "--threads", "1"]
        let old = try quern(arguments + ["--json"])
        try Data(old.output).write(to: URL(filePath: folder.path("old.json")))
        let again = try quern(["--from", "old.json", "--compare", "old.json", "--plot", "rates.svg"])
        #expect(again.status == 0, "\(again.error)")
        #expect(again.text.contains("prefill") && again.text.contains("of the wall") && again.text.contains("too few runs to tell"))
        #expect(try String(contentsOfFile: folder.path("rates.svg"), encoding: .utf8).contains("roofline"))
        let markdown = try quern(["--from", "old.json", "--format", "markdown"]).text
        #expect(markdown.split(separator: "\n").filter { $0.hasPrefix("| ") }.count == 4)
        #expect(try quern(["--from", "old.json", "--format", "csv"]).text.split(separator: "\n").count == 3)
        let compared = try report(arguments + ["--compare", "old.json"])
        #expect(compared["comparison"]?["results"]?.arrayValue?.count == 2)
    }

    @Test func mistakesAreUsageErrors() throws {
        let notJSON = try folder.write("notes.txt", Array("hello".utf8))
        for (arguments, status, message) in [
            ([tiny, "-p", "0"], Int32(2), "--prompt-tokens"), ([tiny, "--batch", "1,x"], 2, "--batch"), ([tiny, "-n", "1"], 2, "--gen-tokens"),
            ([tiny, "--depth", "-1"], 2, "--depth"), ([tiny, "-r", "0"], 2, "--rounds"), ([tiny, "--rate", "2"], 2, "--socket"),
            ([tiny, "--depth", "99999"], 2, "--context"), (["--from", "none.json"], 66, "none.json"), (["--from", notJSON], 65, notJSON),
            (["--socket", folder.path("no.sock")], 69, "quern serve"), (["--socket", "-p", "fast"], 2, "lognormal"),
            (["--socket", "--goodput", "fast"], 2, "ttft:MS"), (["--socket", "--trace", notJSON], 65, "line 1"),
            (["--socket", "--rate", "1", "--trace", notJSON], 2, "--rate and --trace"), (["--socket", "--speed", "0"], 2, "--speed"),
        ] {
            let result = try quern(arguments)
            #expect(result.status == status, "\(arguments): \(result.error)")
            #expect(result.error.contains(message), "\(arguments): \(result.error)")
            #expect(result.output.isEmpty)
        }
    }

    @Test func closedLoop() throws {
        let daemon = try TestDaemon(arguments: ["--context", "256"])
        let json = try report([
            "--socket", daemon.socket, "--concurrency", "1,4", "--requests", "6", "-p", "40", "-n", "8", "--goodput", "ttft:60000",
            "--timeline", "load.csv", "--plot", "load.svg", "--vllm-json", "vllm.json",
        ])
        let results = json["results"]?.arrayValue ?? []
        // One request at a time gives the rows of the in-engine bench too.
        #expect(results.map { $0["kind"]?.stringValue } == ["prefill", "decode", "load", "load"])
        #expect(results[0]["runs"]?.arrayValue?.count == 6)
        #expect(results[1]["depth"] == 40)
        for (load, concurrency) in zip(results.suffix(2), [1, 4] as [Int64]) {
            #expect(load["concurrency"] == .int(concurrency))
            #expect(load["requests"] == 6 && load["failed"] == 0 && load["good_requests"] == 6)
            #expect(load["prompt_tokens"] == 240 && load["output_tokens"] == 48)
            #expect(load["cached_tokens"] == 0)      // nothing was answered from the prefix cache
            #expect((load["ttft_ms"]?["p50"]?.doubleValue ?? 0) > 0)
        }
        let timeline = try String(contentsOfFile: folder.path("load.csv"), encoding: .utf8)
        #expect(timeline.hasPrefix("load,seconds,"))
        #expect(try String(contentsOfFile: folder.path("load.svg"), encoding: .utf8).contains("time to the first token"))
        let vllm = try JSONValue(parsing: [UInt8](try Data(contentsOf: URL(filePath: folder.path("vllm.json")))))
        #expect(vllm["completed"] == 6 && vllm["max_concurrency"] == 4)
    }

    @Test func openLoopAndTrace() throws {
        let daemon = try TestDaemon(arguments: ["--context", "256"])
        let poisson = try report([
            "--socket", daemon.socket, "--rate", "50", "--duration", "0.5", "-p", "uniform:4:20", "-n", "exponential:6", "--seed", "3",
        ])["results"]?.arrayValue?.first
        #expect((poisson?["requests"]?.intValue ?? 0) > 5)
        #expect(poisson?["failed"] == 0)

        // Two requests share their first block of 512 tokens, at a quarter of their length 128, which the daemon caches.
        let lines = (0..<2).map { "{\"timestamp\":\($0 * 500),\"input_length\":600,\"output_length\":8,\"hash_ids\":[7,\($0)]}\n" }
        let trace = try folder.write("trace.jsonl", Array((lines.joined() + "{\"timestamp\":600,\"input_length\":90000,\"output_length\":4}\n").utf8))
        let result = try quern(["--socket", daemon.socket, "--trace", trace, "--lengths", "0.25", "--json"])
        #expect(result.status == 0)
        #expect(result.error.contains("1 of 3 requests were cut"))
        let replay = try JSONValue(parsing: result.output)["results"]?.arrayValue?.first
        #expect(replay?["arrivals"] == "trace" && replay?["requests"] == 3 && replay?["failed"] == 0)
        #expect(replay?["cached_tokens"] == 128)
        #expect((replay?["duration_seconds"]?.doubleValue ?? 0) >= 0.6)
    }

    /// A daemon that goes away costs the load the requests it had, and the exit status says so.
    @Test func failuresAreCountedAndNamed() throws {
        let daemon = try TestDaemon(arguments: ["--context", "64"])
        Thread {
            usleep(500_000)
            _ = daemon.stop()
        }.start()
        let result = try quern(["--socket", daemon.socket, "--rate", "40", "--duration", "2", "-p", "20", "-n", "20", "--json"])
        #expect(result.status == 3)
        let load = try JSONValue(parsing: result.output)["results"]?.arrayValue?.first
        let (sent, failed) = (load?["requests"]?.intValue ?? 0, load?["failed"]?.intValue ?? 0)
        #expect(failed > 0 && failed < sent)
        #expect(result.error.contains("failed: ") && result.error.contains(daemon.socket))
    }
}
