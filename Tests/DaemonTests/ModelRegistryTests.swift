// Several models by name: chosen by the request, loaded when needed, unloaded when idle, within one budget.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ModelRegistryTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func start(_ settings: String, _ arguments: String...) throws -> TestDaemon {
        let tiny = QuernBinary.tinyChat
        let text = settings.replacing("TINY", with: tiny)
        try folder.write("config.json", Array(text.utf8))
        return try TestDaemon(model: nil, arguments: ["--config", folder.path("config.json")] + arguments)
    }

    private static let two = #"{"model": "a", "context": 256, "models": {"a": {"path": "TINY"}, "b": {"path": "TINY"}}}"#

    private func ask(_ daemon: TestDaemon, _ model: String?) throws -> HTTPAnswer {
        var body = JSONObject([.init(key: "messages", value: [["role": "user", "content": "hi"]]), .init(key: "max_tokens", value: 2)])
        body["model"] = model.map { .string($0) }
        return try daemon.request("POST", "/v1/chat/completions", .object(body))
    }

    private func states(_ daemon: TestDaemon) throws -> [String: String] {
        let models = try daemon.request("GET", "/models").json["data"]?.arrayValue ?? []
        return Dictionary(uniqueKeysWithValues: models.map { ($0["id"]?.stringValue ?? "", $0["status"]?["value"]?.stringValue ?? "") })
    }

    @Test func theRequestChooses() throws {
        let daemon = try start(Self.two)
        #expect(try states(daemon) == ["a": "loaded", "b": "unloaded"])
        let list = try daemon.request("GET", "/v1/models").json["data"]?.arrayValue ?? []
        #expect(list.map { $0["id"]?.stringValue } == ["a", "b"])
        #expect(try daemon.request("GET", "/v1/models/b").status == 200)
        #expect(try states(daemon)["b"] == "unloaded")
        #expect(try ask(daemon, nil).json["model"] == "a")
        #expect(try ask(daemon, "b").json["model"] == "b")
        #expect(try states(daemon) == ["a": "loaded", "b": "loaded"])
        let unknown = try ask(daemon, "c")
        #expect(unknown.status == 404)
        #expect(unknown.error["code"] == "model_not_found")
        #expect(unknown.error["param"] == "model")
        #expect(unknown.error["message"]?.stringValue?.contains("\"a\", \"b\"") == true)
        #expect(try daemon.request("GET", "/v1/models/c").status == 404)
        #expect(try daemon.askPipe(Array("#quern {\"model\": \"b\", \"max_tokens\": 2}\nhi".utf8)).hasPrefix("quern: ") == false)
        #expect(try daemon.askPipe(Array("#quern {\"model\": \"c\"}\nhi".utf8)).contains("there is no model \"c\""))
    }

    @Test func loadAndUnloadOnRequest() throws {
        let daemon = try start(Self.two)
        #expect(try daemon.request("POST", "/models/load", ["model": "b"]).status == 200)
        #expect(try states(daemon) == ["a": "loaded", "b": "loaded"])
        #expect(try daemon.request("POST", "/models/unload", ["model": "a"]).status == 200)
        #expect(try states(daemon) == ["a": "unloaded", "b": "loaded"])
        #expect(try ask(daemon, "a").status == 200)
        #expect(try daemon.request("POST", "/models/unload", ["model": "c"]).status == 404)
        #expect(try daemon.request("POST", "/models/load", ["modl": "c"]).status == 400)
        #expect(try daemon.request("POST", "/models/load", bytes: Array("{".utf8)).error["code"] == "invalid_json")
        // The same from the command line.
        let listed = try QuernBinary.run(["ps", "--unload", "b", "--socket", daemon.socket])
        #expect(listed.status == 0, "\(listed.error)")
        #expect(listed.text.contains("unloaded"))
        let json = try JSONValue(parsing: try QuernBinary.run(["ps", "--load", "b", "--json", "--socket", daemon.socket]).output)
        #expect(json["data"]?.arrayValue?.last?["status"]?["value"] == "loaded")
        #expect((json["used_bytes"]?.intValue ?? 0) > 0)
        #expect(try QuernBinary.run(["ps", "--load", "c", "--socket", daemon.socket]).status == 1)
    }

    /// Starts an answer that nobody reads to its end.
    private func stream(_ daemon: TestDaemon, _ model: String) throws -> UnixConnection {
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"go"}],"ignore_eos":true,"stream":true}"#
        try connection.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try connection.readSome()
        return connection
    }

    @Test func modelsInUseStay() throws {
        let daemon = try start(Self.two.replacing("256", with: "512"))
        let live = try stream(daemon, "a")
        let refused = try daemon.request("POST", "/models/unload", ["model": "a"])
        #expect(refused.status == 409)
        #expect(refused.error["code"] == "model_in_use")
        live.close()
        // The lease ends with the connection.
        var status = 409
        for _ in 0..<500 where status == 409 {
            status = try daemon.request("POST", "/models/unload", ["model": "a"]).status
            usleep(10_000)
        }
        #expect(status == 200)
    }

    @Test func idleModelsAreUnloaded() throws {
        let daemon = try start(Self.two, "--idle-unload", "1s")
        #expect(daemon.waitForLog("unloading"))
        #expect(try ask(daemon, "a").status == 200)
    }

    @Test func theBudgetHolds() throws {
        let first = try start(Self.two)
        let models = try first.request("GET", "/models").json["data"]?.arrayValue ?? []
        let size = try #require(models.first?["estimated_bytes"]?.intValue)
        #expect(first.stop() == 0)

        let daemon = try start(Self.two, "--memory-budget", "\(size * 3 / 2)")
        #expect(try ask(daemon, "b").status == 200)
        #expect(try states(daemon) == ["a": "unloaded", "b": "loaded"])
        #expect(try ask(daemon, "a").status == 200)
        #expect(try states(daemon) == ["a": "loaded", "b": "unloaded"])
        #expect(daemon.stop() == 0)

        let tight = try QuernBinary.run([
            "serve", QuernBinary.tinyChat, "--context", "256", "--memory-budget", "\(size / 2)", "--socket", folder.path("t.sock"),
        ])
        #expect(tight.status == 4)
        #expect(tight.error.contains("MiB"))
    }

    @Test func modelsInUseAreNotEvicted() throws {
        let first = try start(Self.two.replacing("256", with: "512"))
        let size = try #require(try first.request("GET", "/models").json["data"]?.arrayValue?.first?["estimated_bytes"]?.intValue)
        #expect(first.stop() == 0)
        let daemon = try start(Self.two.replacing("256", with: "512"), "--memory-budget", "\(size * 3 / 2)")
        let live = try stream(daemon, "a")
        let refused = try ask(daemon, "b")
        #expect(refused.status == 503)
        #expect(refused.error["code"] == "insufficient_memory")
        #expect(refused.error["needed_bytes"]?.intValue == size)
        #expect(refused.head.lowercased().contains("retry-after"))
        live.close()
        var status = 503
        for _ in 0..<500 where status == 503 {
            status = try ask(daemon, "b").status
            usleep(10_000)
        }
        #expect(status == 200)
    }

    /// A model that turns out to be bad when it is asked for is reported to whoever asked; the daemon and the others live on.
    @Test func badModelsOnDemandAreReported() throws {
        let copy = folder.path("copy")
        try FileManager.default.copyItem(atPath: QuernBinary.tinyChat, toPath: copy)
        let daemon = try start(#"{"model": "a", "models": {"a": {"path": "TINY"}, "bad": {"path": "\#(copy)"}}}"#)
        try FileManager.default.removeItem(atPath: copy)
        let answer = try ask(daemon, "bad")
        #expect(answer.status == 400)
        #expect(answer.error["code"] == "bad_model_file")
        #expect(answer.error["message"]?.stringValue?.contains(copy) == true)
        #expect(try daemon.askPipe(Array("#quern {\"model\": \"bad\"}\nhi".utf8)).contains("cannot be loaded"))
        #expect(try ask(daemon, nil).status == 200)
        #expect(try states(daemon)["bad"] == "unloaded")
    }

    @Test func badModelsEndTheStartWithTheirStatus() throws {
        let text = try folder.write("notes.txt", Array("not a model".utf8))
        func serve(_ arguments: String...) throws -> Int32 {
            try QuernBinary.run(["serve", "--socket", folder.path("t.sock")] + arguments).status
        }
        #expect(try serve(QuernBinary.tinyChat, text) == 65)
        #expect(try serve(QuernBinary.tinyChat, "/nonexistent.gguf") == 66)
        #expect(try serve(QuernBinary.tinyChat, QuernBinary.tinyChat) == 78)
        #expect(try serve(QuernBinary.tinyChat, "--memory-budget", "lots") == 2)
        #expect(!FileManager.default.fileExists(atPath: folder.path("t.sock.lock")))
    }
}
