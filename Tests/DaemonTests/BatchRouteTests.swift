// /v1/batches: every row of the input ends in one of two files exactly once, whatever happens to the daemon.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct BatchRouteTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static func row(_ index: Int, maxTokens: Int = 4) -> String {
        #"{"custom_id":"r\#(index)","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"say \#(index)"}],"max_tokens":\#(maxTokens),"temperature":0}}"#
    }

    private func create(_ rows: [String], on daemon: TestDaemon, _ changes: [String: JSONValue] = [:]) throws -> HTTPAnswer {
        let file = try daemon.upload(Array(rows.joined(separator: "\n").utf8), filename: "in.jsonl").json["id"] ?? .null
        var body: JSONObject = JSONObject([
            .init(key: "input_file_id", value: file), .init(key: "endpoint", value: "/v1/chat/completions"),
            .init(key: "completion_window", value: "24h"),
        ])
        for (key, value) in changes { body[key] = value }
        return try daemon.request("POST", "/v1/batches", .object(body))
    }

    private func id(_ answer: HTTPAnswer) throws -> String { try #require(answer.json["id"]?.stringValue, "\(answer.json.serialized())") }

    /// Asks until `isEnough`.
    private func wait(_ id: String, on daemon: TestDaemon, until isEnough: (JSONValue) -> Bool = isOver) throws -> JSONValue {
        for _ in 0..<6_000 {
            let batch = try daemon.request("GET", "/v1/batches/\(id)").json
            if isEnough(batch) { return batch }
            usleep(10_000)
        }
        throw TestDaemon.Failure(description: "\(id) does not end: \(try daemon.request("GET", "/v1/batches/\(id)").json.serialized())")
    }

    private static func isOver(_ batch: JSONValue) -> Bool {
        ["completed", "failed", "expired", "cancelled"].contains(batch["status"]?.stringValue ?? "failed")
    }

    private func done(_ batch: JSONValue) -> Int64 {
        (batch["request_counts"]?["completed"]?.intValue ?? 0) + (batch["request_counts"]?["failed"]?.intValue ?? 0)
    }

    private func rows(_ file: JSONValue?, on daemon: TestDaemon) throws -> [JSONValue] {
        guard let id = file?.stringValue else { return [] }
        return try daemon.request("GET", "/v1/files/\(id)/content").body.split(separator: 0x0A).map { try JSONValue(parsing: Array($0)) }
    }

    private func ids(_ rows: [JSONValue]) -> [String] { rows.map { $0["custom_id"]?.stringValue ?? "" } }

    @Test func rowsAreAnsweredOrIsolated() throws {
        let daemon = try TestDaemon(folder: folder)
        let lines = (0..<20).map { Self.row($0) } + [
            "not json", #"{"custom_id":"hot","body":{"messages":[{"role":"user","content":"x"}],"temperature":9}}"#,
            Self.row(3), #"{"custom_id":"other","method":"POST","url":"/v1/embeddings","body":{"input":"x"}}"#, "", #"{"prompt":"short","max_tokens":2}"#,
        ]
        let made = try create(lines, on: daemon, ["metadata": ["job": "night"]])
        #expect(made.json["object"] == "batch" && made.json["status"] == "validating" && made.json["metadata"] == ["job": "night"])
        let batch = try wait(try id(made), on: daemon)
        #expect(batch["status"] == "completed", "\(batch.serialized())")
        #expect(batch["request_counts"] == ["total": 25, "completed": 21, "failed": 4])
        let times = ["created_at", "in_progress_at", "finalizing_at", "completed_at"].map { batch[$0]?.intValue ?? 0 }
        #expect(times == times.sorted() && times[0] > 0)
        #expect(batch["expires_at"]?.intValue == times[0] + 86_400)

        let answers = try rows(batch["output_file_id"], on: daemon)
        #expect(Set(ids(answers)) == Set((0..<20).map { "r\($0)" } + ["line-26"]))
        for answer in answers {
            #expect(answer["id"]?.stringValue?.hasPrefix("batch_req_") == true && answer["error"] == .null)
            #expect(answer["response"]?["status_code"] == 200)
            #expect(answer["response"]?["body"]?["object"] == "chat.completion")
        }
        let failed = Dictionary(uniqueKeysWithValues: try rows(batch["error_file_id"], on: daemon).map { ($0["custom_id"]?.stringValue ?? "", $0) })
        #expect(Set(failed.keys) == ["line-21", "hot", "line-23", "other"])
        #expect(failed["hot"]?["response"]?["status_code"] == 400 && failed["hot"]?["response"]?["body"]?["error"]?["param"] == "temperature")
        #expect(failed["line-21"]?["error"]?["code"] == "invalid_json" && failed["line-23"]?["error"]?["code"] == "duplicate_custom_id")
        #expect(failed["other"]?["error"]?["message"]?.stringValue?.contains("/v1/chat/completions") == true)
        let output = try daemon.request("GET", "/v1/files/\(batch["output_file_id"]?.stringValue ?? "")").json
        #expect(output["purpose"] == "batch_output")
        // The same rows answer the same alone.
        let alone = try daemon.request("POST", "/v1/chat/completions", try JSONValue(parsing: Array(Self.row(7).utf8))["body"])
        let text = { (body: JSONValue?) in body?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue }
        #expect(text(answers.first { $0["custom_id"] == "r7" }?["response"]?["body"]) == text(alone.json))
    }

    @Test(arguments: ["/v1/completions", "/v1/embeddings"]) func otherEndpoints(_ endpoint: String) throws {
        let daemon = try TestDaemon(folder: folder)
        let field = endpoint.hasSuffix("s") && endpoint.contains("completions") ? "prompt" : "input"
        let rows = (0..<5).map { #"{"custom_id":"r\#($0)","method":"POST","url":"\#(endpoint)","body":{"\#(field)":"text \#($0)"}}"# }
        let batch = try wait(try id(create(rows, on: daemon, ["endpoint": .string(endpoint)])), on: daemon)
        #expect(batch["request_counts"] == ["total": 5, "completed": 5, "failed": 0], "\(batch.serialized())")
        #expect(batch["error_file_id"] == nil)
    }

    /// Killed at five moments while rows are being answered: the next daemon goes on, and every row is there once.
    @Test func killedDaemonsGoOn() throws {
        let count = 240
        let lines = (0..<count).map { $0 % 50 == 7 ? #"{"custom_id":"r\#($0)","body":{"messages":[]}}"# : Self.row($0, maxTokens: 12) }
        var daemon = try TestDaemon(folder: folder)
        let id = try id(create(lines, on: daemon))
        var kills = 0
        for part in 1...5 {
            let batch = try wait(id, on: daemon) { done($0) >= Int64(part * 30) || Self.isOver($0) }
            if !Self.isOver(batch) { kills += 1 }
            kill(daemon.process.processIdentifier, SIGKILL)
            daemon.process.waitForEnd()
            daemon = try TestDaemon(folder: folder)
            #expect(done(try wait(id, on: daemon) { $0["status"] != "validating" }) >= 0)
        }
        #expect(kills >= 3, "the batch was over too early to be killed")
        let batch = try wait(id, on: daemon)
        #expect(batch["status"] == "completed", "\(batch.serialized())")
        let (answered, failed) = (ids(try rows(batch["output_file_id"], on: daemon)), ids(try rows(batch["error_file_id"], on: daemon)))
        #expect(answered.count + failed.count == count)
        #expect(Set(answered + failed) == Set((0..<count).map { "r\($0)" }))
        #expect(Set(failed) == Set((0..<count).filter { $0 % 50 == 7 }.map { "r\($0)" }))
        #expect(batch["request_counts"] == ["total": .int(Int64(count)), "completed": .int(Int64(answered.count)), "failed": .int(Int64(failed.count))])
    }

    /// A stop like any other: what runs is put off, not lost.
    @Test func stoppedDaemonsGoOn() throws {
        let lines = (0..<120).map { Self.row($0, maxTokens: 40) }
        let daemon = try TestDaemon(folder: folder)
        let id = try id(create(lines, on: daemon))
        _ = try wait(id, on: daemon) { done($0) >= 20 }
        #expect(daemon.stop() == 0)
        let next = try TestDaemon(folder: folder)
        let batch = try wait(id, on: next)
        #expect(batch["request_counts"] == ["total": 120, "completed": 120, "failed": 0], "\(batch.serialized())")
        #expect(Set(ids(try rows(batch["output_file_id"], on: next))).count == 120)
    }

    @Test func cancelledBatchesKeepWhatWasDone() throws {
        let daemon = try TestDaemon(folder: folder)
        let made = try create((0..<200).map { Self.row($0, maxTokens: 60) }, on: daemon)
        let id = try id(made)
        _ = try wait(id, on: daemon) { done($0) >= 5 }
        let input = made.json["input_file_id"]?.stringValue ?? ""
        #expect(try daemon.request("DELETE", "/v1/files/\(input)").status == 409)
        #expect(try daemon.request("POST", "/v1/batches/\(id)/cancel").status == 200)
        let batch = try wait(id, on: daemon)
        #expect(batch["status"] == "cancelled" && batch["cancelling_at"] != nil && batch["cancelled_at"] != nil)
        let (answered, failed) = (try rows(batch["output_file_id"], on: daemon), try rows(batch["error_file_id"], on: daemon))
        #expect(!answered.isEmpty && !failed.isEmpty)
        #expect(Set(ids(answered + failed)).count == 200 && answered.count + failed.count == 200)
        #expect(failed.allSatisfy { $0["error"]?["code"] == "batch_cancelled" && $0["response"] == .null })
        #expect(try daemon.request("POST", "/v1/batches/\(id)/cancel").error["code"] == "batch_over")
        #expect(try daemon.request("DELETE", "/v1/files/\(input)").status == 200)
        // The queue has room again, and the next batch its turn.
        #expect(try wait(try self.id(create([Self.row(1)], on: daemon)), on: daemon)["status"] == "completed")
    }

    /// A window that ended while no daemon ran.
    @Test func expiredBatchesSaySo() throws {
        let daemon = try TestDaemon(folder: folder)
        let id = try id(create((0..<300).map { Self.row($0, maxTokens: 60) }, on: daemon))
        _ = try wait(id, on: daemon) { done($0) >= 5 }
        kill(daemon.process.processIdentifier, SIGKILL)
        daemon.process.waitForEnd()
        let path = folder.path("state/batches/\(getuid())/\(id).json")
        var json = try #require(try JSONValue(parsing: [UInt8](Data(contentsOf: URL(filePath: path)))).objectValue)
        json["expires_at"] = json["created_at"]
        try Data(JSONValue.object(json).serialized().utf8).write(to: URL(filePath: path))
        let next = try TestDaemon(folder: folder)
        let batch = try wait(id, on: next)
        #expect(batch["status"] == "expired" && batch["expired_at"] != nil, "\(batch.serialized())")
        let (answered, failed) = (try rows(batch["output_file_id"], on: next), try rows(batch["error_file_id"], on: next))
        #expect(answered.count + failed.count == 300 && !answered.isEmpty)
        #expect(failed.contains { $0["error"]?["code"] == "batch_expired" })
    }

    @Test func batchesAreListedNewestFirst() throws {
        let daemon = try TestDaemon(folder: folder)
        let ids = try (0..<3).map { try id(create([Self.row($0)], on: daemon)) }
        let list = try daemon.request("GET", "/v1/batches?limit=2").json
        #expect(list["data"]?.arrayValue?.map { $0["id"]?.stringValue } == [ids[2], ids[1]])
        #expect(list["has_more"] == true)
        for id in ids { #expect(try wait(id, on: daemon)["status"] == "completed") }
    }

    @Test func impossibleBatchesAreRefused() throws {
        let daemon = try TestDaemon(folder: folder)
        for (field, value) in [
            ("input_file_id", "file-none"), ("input_file_id", 5), ("endpoint", "/v1/models"), ("endpoint", .null), ("completion_window", "1w"),
            ("completion_window", "99999999999999999999h"), ("completion_window", "31d"), ("completion_window", "0h"), ("metadata", ["a": 1]), ("metadata", "x"),
            ("output_expires_after", ["seconds": 5]), ("priority", "batch"),
        ] as [(String, JSONValue)] {
            let answer = try create([Self.row(1)], on: daemon, [field: value])
            #expect(answer.status == (value == "file-none" ? 404 : 400), "\(field): \(answer.json.serialized())")
            #expect(answer.error["param"]?.stringValue?.hasPrefix(field) == true, "\(answer.json.serialized())")
        }
        for path in ["/v1/batches/batch_none", "/v1/files/..%2F..%2Fetc", "/v1/files/file-none/content"] {
            #expect(try daemon.request("GET", path).status == 404, "\(path)")
        }
        // What only reading shows is said by the batch.
        let empty = try wait(try id(create(["", " "], on: daemon)), on: daemon)
        #expect(empty["status"] == "failed" && empty["failed_at"] != nil)
        #expect(empty["errors"]?["data"]?.arrayValue?.first?["code"] == "invalid_file", "\(empty.serialized())")
    }
}
