// `quern serve --device`: memory bounded by a profile, answers timed on it and paced to it, tokens as ever.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct DeviceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// All of `memory` may be used; without an engine the planner takes the customary shares.
    private func profile(_ name: String = "small", memory: String = "64 MiB", bandwidth: String = "100 GB/s") throws -> String {
        let text = """
            name = Small
            memory.capacity = \(memory) ; read ; this test
            memory.share = 100 % ; read ; this test
            memory.bandwidth = \(bandwidth) ; read ; this test
            """
        return try folder.write("\(name).profile", Array(text.utf8))
    }

    /// So slow that this host is faster whatever else it does: some ten tokens a second.
    private func slow() throws -> String { try profile("slow", bandwidth: "1.5 MB/s") }

    private func body(_ tokens: Int, stream: Bool = false) -> JSONValue {
        [
            "messages": [["role": "user", "content": "Tell me about mills."]], "max_tokens": .int(Int64(tokens)), "seed": 7,
            "temperature": 1, "ignore_eos": true, "return_tokens": true, "stream": .bool(stream),
        ]
    }

    private func ask(_ daemon: TestDaemon, _ tokens: Int, stream: Bool = false) throws -> HTTPAnswer {
        try daemon.request("POST", "/v1/chat/completions", body(tokens, stream: stream))
    }

    /// A request whose answer is not waited for.
    private func send(_ body: JSONValue, to daemon: TestDaemon) throws -> UnixConnection {
        let connection = try UnixConnection(daemon.socket)
        let text = body.serialized()
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try connection.send(Array("\(head)Content-Length: \(text.utf8.count)\r\n\r\n\(text)".utf8))
        return connection
    }

    private func tokens(_ answer: HTTPAnswer) -> [Int64] {
        (answer.json["choices"]?.arrayValue?.first?["tokens"]?.arrayValue ?? []).compactMap(\.intValue)
    }

    private func metric(_ daemon: TestDaemon, _ name: String) throws -> Double? {
        let text = String(decoding: try daemon.request("GET", "/metrics").body, as: UTF8.self)
        return text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    @Test func aDeviceNeverChangesTokens() throws {
        let plain = try ask(try TestDaemon(), 12)
        let wanted = tokens(plain)
        #expect(wanted.count == 12)
        #expect(plain.json["timings"]?["gb_per_second"]?.doubleValue.map { $0 > 0 } == true)
        for key in ["roofline_share", "projected", "simulated"] { #expect(plain.json["timings"]?[key] == nil) }
        #expect(!plain.head.lowercased().contains("x-quern-simulated"))

        let named = try TestDaemon(arguments: ["--device", "zhenwu-810e"])
        #expect(tokens(try ask(named, 12)) == wanted)
        let paced = try TestDaemon(arguments: ["--device", try slow(), "--pace"])
        #expect(tokens(try ask(paced, 12)) == wanted)
        let pieces = try ask(paced, 12, stream: true).events.compactMap { try? JSONValue(parsing: Array($0.utf8)) }
        let streamed = pieces.flatMap { $0["choices"]?.arrayValue?.first?["tokens"]?.arrayValue ?? [] }.compactMap(\.intValue)
        #expect(streamed == wanted)
        let prompt = Array("#quern {\"max_tokens\": 6, \"seed\": 7, \"ignore_eos\": true}\nhi".utf8)
        #expect(try paced.askPipe(prompt) == named.askPipe(prompt))
    }

    @Test func answersSayWhatTheDeviceWouldDo() throws {
        let daemon = try TestDaemon(arguments: ["--device", "zhenwu-810e"])
        let answer = try ask(daemon, 16)
        let timings = try #require(answer.json["timings"])
        #expect(timings["roofline_share"]?.doubleValue.map { $0 >= 0 && $0 < 1 } == true)
        let projected = try #require(timings["projected"])
        #expect(projected["device"] == "zhenwu-810e")
        let (low, expected, high) = (
            projected["low"]?.doubleValue ?? 0, projected["expected"]?.doubleValue ?? 0, projected["high"]?.doubleValue ?? 0
        )
        #expect(low > 0 && low < expected && expected < high)
        // Two layers of almost nothing: launches are all there is.
        #expect(projected["bottleneck"] == "launch overhead")
        #expect(timings["simulated"] == nil)
        #expect(!answer.head.lowercased().contains("x-quern-simulated"))
        // Choices that ran beside each other have one rate together.
        let both = try daemon.request("POST", "/v1/completions", ["prompt": "mills", "n": 2, "max_tokens": 16, "ignore_eos": true])
        #expect(both.json["timings"]?["projected"]?["expected"]?.doubleValue.map { $0 > expected } == true)
        // An answer of one token has a rate too.
        #expect(try ask(daemon, 1).json["timings"]?["projected"]?["expected"]?.doubleValue.map { $0 > 0 } == true)

        let metrics = String(decoding: try daemon.request("GET", "/metrics").body, as: UTF8.self)
        #expect(metrics.contains("quern_device_info{device=\"zhenwu-810e\",paced=\"false\"} 1"))
        #expect(metrics.contains("quern_device_read_bytes_per_second 2270000000000"))
        #expect(metrics.contains("quern_request_projected_tokens_per_second_count 4"))
        #expect(metrics.contains("quern_request_roofline_share_ratio_count 3"))
        #expect(metrics.contains("quern_request_read_bytes_per_second_count 3"))
        #expect(metrics.contains("quern_projected_bottleneck_total{bottleneck=\"launch overhead\"} 4"))
        for kind in ["weights", "state"] { #expect(metrics.contains("quern_read_bytes_total{kind=\"\(kind)\"} ")) }
        #expect(try metric(daemon, "quern_written_bytes_total").map { $0 > 0 } == true)
        #expect(try daemon.request("GET", "/props").json["device"]?["id"] == "zhenwu-810e")
        #expect(try QuernBinary.run(["status", "--socket", daemon.socket]).text.contains("device zhenwu-810e"))
    }

    @Test func pacedAnswersTakeTheirTimeAndSaySo() throws {
        let daemon = try TestDaemon(arguments: ["--device", try slow(), "--pace"])
        for stream in [false, true] {
            let start = ContinuousClock.now
            let answer = try ask(daemon, 8, stream: stream)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(answer.head.lowercased().contains("x-quern-simulated: true"))
            let timings = stream
                ? answer.events.compactMap { try? JSONValue(parsing: Array($0.utf8)) }.compactMap { $0["timings"] }.first
                : answer.json["timings"]
            #expect(timings?["simulated"] == true)
            let rate = try #require(timings?["projected"]?["expected"]?.doubleValue)
            #expect(rate < 1000)
            // Seven tokens after the first; how late the last may be is up to the machine.
            #expect(seconds >= 7 / rate * 0.99)
        }
        #expect(String(decoding: try daemon.request("GET", "/metrics").body, as: UTF8.self).contains("paced=\"true\"} 1"))
        #expect(daemon.waitForLog("simulated=slow"))
    }

    /// An answer that would take minutes: the engine finishes it at once, others are answered meanwhile, and its reader can go.
    @Test func aPacedAnswerHoldsNobodyUp() throws {
        let daemon = try TestDaemon(arguments: ["--device", try profile("crawl", bandwidth: "0.02 MB/s"), "--pace"])
        let slow = try send(body(100, stream: true), to: daemon)
        _ = try slow.readSome()
        let deadline = Date(timeIntervalSinceNow: 30)
        while try metric(daemon, "quern_generation_tokens_total") ?? 0 < 100, Date() < deadline { usleep(10_000) }
        #expect(try metric(daemon, "quern_generation_tokens_total") == 100)
        #expect(try metric(daemon, "quern_requests_running") == 0)
        #expect(try daemon.request("POST", "/tokenize", ["content": "mills"]).status == 200)
        // The model is in use until the answer is delivered, or nobody wants it.
        #expect(try daemon.request("POST", "/models/unload", ["model": "tiny-chat"]).status == 409)
        slow.close()
        var status = 409
        while status == 409, Date() < deadline {
            status = try daemon.request("POST", "/models/unload", ["model": "tiny-chat"]).status
            usleep(10_000)
        }
        #expect(status == 200)
        // The same on the pipe.
        let pipe = try UnixConnection(daemon.pipe)
        try pipe.send(Array("#quern {\"max_tokens\": 100, \"ignore_eos\": true}\nhi".utf8))
        pipe.finishSending()
        while try metric(daemon, "quern_generation_tokens_total") ?? 0 < 100, Date() < deadline { usleep(10_000) }
        pipe.close()
        status = 409
        while status == 409, Date() < deadline {
            status = try daemon.request("POST", "/models/unload", ["model": "tiny-chat"]).status
            usleep(10_000)
        }
        #expect(status == 200)
    }

    /// Two layers x two heads x 16 x keys and values x 2 bytes: 32 KiB a block of 128 positions.
    @Test func theDevicesMemorySizesTheCache() throws {
        func blocks(_ daemon: TestDaemon) throws -> Double { try metric(daemon, "quern_kv_cache_blocks") ?? 0 }
        #expect(try blocks(try TestDaemon(arguments: ["--max-sequences", "4"])) == 16)
        let daemon = try TestDaemon(arguments: ["--max-sequences", "4", "--device", try profile(memory: "1300 KiB")])
        let bounded = try blocks(daemon)
        #expect(bounded >= 4 && bounded < 16)
        // Sequences of four blocks each are admitted as far as they go, and all are answered.
        let answers = try (0..<4).map { _ in try send(body(400), to: daemon) }
        for connection in answers {
            let answer = try HTTPAnswer(connection.readToEnd())
            #expect(answer.status == 200)
            #expect(tokens(answer).count == 400)
        }
        let budget = try #require(try daemon.request("GET", "/models").json["budget_bytes"]?.intValue)
        #expect(budget == 1300 << 10)
        let used = try #require(try daemon.request("GET", "/models").json["used_bytes"]?.intValue)
        #expect(used <= budget)
    }

    private static let ledger = ["weights:", "KV cache:", "total:", "budget of small:"]

    @Test func whatDoesNotFitIsRefusedAtStart() throws {
        func serve(_ arguments: String...) throws -> QuernBinary.Result {
            try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", folder.path("t.sock")] + arguments)
        }
        let model = try serve("--device", try profile(memory: "64 KiB"))
        #expect(model.status == 65)
        for word in Self.ledger + ["does not fit small", "take a smaller model"] { #expect(model.error.contains(word), "\(model.error)") }
        let context = try serve("--device", try profile(memory: "600 KiB"), "--max-sequences", "1")
        #expect(context.status == 65)
        for word in Self.ledger + ["context of 512 tokens", "tokens fits"] { #expect(context.error.contains(word), "\(context.error)") }
        let fitting = try TestDaemon(arguments: ["--device", try profile(memory: "600 KiB"), "--max-sequences", "1", "--context", "128"])
        #expect(try ask(fitting, 2).status == 200)
        let local = try QuernBinary.run(["run", "-m", QuernBinary.tinyChat, "--device", try profile(memory: "64 KiB"), "hi"])
        #expect(local.status == 65)
        #expect(local.error.contains("budget of small:"))
    }

    @Test func whatDoesNotFitIsRefusedLater() throws {
        let tiny = QuernBinary.tinyChat
        let settings = """
            {"model": "a", "max_sequences": 1, "device": "\(try profile(memory: "600 KiB"))", "models": {
              "a": {"path": "\(tiny)", "context": 128}, "b": {"path": "\(tiny)"}}}
            """
        try folder.write("config.json", Array(settings.utf8))
        let daemon = try TestDaemon(model: nil, arguments: ["--config", folder.path("config.json")])
        let refusals = [
            try daemon.request("POST", "/models/load", ["model": "b"]),
            try daemon.request("POST", "/v1/completions", ["model": "b", "prompt": "hi"]),
        ]
        for refused in refusals {
            #expect(refused.status == 507)
            #expect(refused.error["code"] == "insufficient_memory")
            let message = refused.error["message"]?.stringValue ?? ""
            for word in Self.ledger + ["b with a context of 512 tokens does not fit small"] { #expect(message.contains(word), "\(message)") }
        }
        #expect(try daemon.askPipe(Array("#quern {\"model\": \"b\"}\nhi".utf8)).hasPrefix("quern: b with a context"))
        #expect(try daemon.request("POST", "/v1/completions", ["model": "a", "prompt": "hi", "max_tokens": 2]).status == 200)
    }

    @Test func badProfilesAndSettingsEndTheStart() throws {
        func serve(_ arguments: String..., environment: [String: String] = [:]) throws -> QuernBinary.Result {
            try QuernBinary.run(
                ["serve", QuernBinary.tinyChat, "--socket", folder.path("t.sock")] + arguments, environment: environment)
        }
        for (line, word) in [
            ("memory.bandwith = 2 TB/s ; read ; x", "memory.bandwith"), ("memory.capacity = -2 GiB ; read ; x", "memory.capacity"),
            ("memory.bandwidth = 2 TB ; read ; x", "memory.bandwidth"),
        ] {
            let path = try folder.write("bad.profile", Array("name = Bad\n\(line)\n".utf8))
            let result = try serve("--device", path)
            #expect(result.status == 65)
            #expect(result.error.contains("bad.profile:2") && result.error.contains(word), "\(result.error)")
        }
        #expect(try serve("--device", "abacus").status == 66)
        #expect(try serve(environment: ["QUERN_DEVICE": "abacus"]).status == 66)
        #expect(try serve("--pace").status == 2)
        #expect(try serve(environment: ["QUERN_PACE": "on"]).error.contains("--device"))
        #expect(try serve(environment: ["QUERN_PACE": "perhaps"]).status == 78)
    }
}
