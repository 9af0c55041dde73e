import ArgumentParser
import Foundation
import QuernAPI
import QuernEngine
import QuernJSON
import QuernServer

/// What the daemon refuses.
struct Limits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the limits on requests, sockets and files that this build enforces.",
        discussion: """
            Examples:
              quern limits
              quern limits --json | jq .http.body_bytes
            """)

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let report = Self.report
        guard !json else { return _ = try StandardOutput.write(report.serialized(.pretty) + "\n") }
        let lines = (report.objectValue?.members ?? []).flatMap { area in
            (area.value.objectValue?.members ?? []).map { "\(area.key).\($0.key) \($0.value.serialized())" }
        }
        _ = try StandardOutput.write(lines.joined(separator: "\n") + "\n")
    }

    private static var report: JSONValue {
        let (http, json) = (ServerLimits(), JSONLimits())
        func number(_ value: Int) -> JSONValue { .int(Int64(value)) }
        func seconds(_ value: Duration) -> JSONValue { .double(value / .seconds(1)) }
        return [
            "socket": ["path_bytes": number(SocketPaths.maxLength), "backlog": number(Int(SocketEndpoint.backlog))],
            "http": [
                "request_line_bytes": number(http.requestLineBytes), "header_bytes": number(http.headerBytes),
                "header_count": number(http.headerCount), "header_seconds": seconds(http.headerTimeout),
                "body_bytes": number(http.bodyBytes), "body_idle_seconds": seconds(http.bodyIdleTimeout),
                "body_bytes_per_second": number(http.bodyBytesPerSecond), "json_depth": number(json.maxDepth),
                "keep_alive_seconds": seconds(http.keepAliveTimeout), "stalled_reader_seconds": seconds(http.stalledReaderTimeout),
                "connections": number(http.connections), "connections_per_user": number(http.connectionsPerUser),
                "ping_seconds": seconds(http.pingInterval), "drain_seconds": seconds(http.drainTimeout),
            ],
            "pipe": [
                "prompt_bytes": number(http.bodyBytes), "option_line_bytes": number(PipeRequest.maxOptionBytes),
                "idle_seconds": seconds(http.pipeIdleTimeout),
            ],
            "request": [
                "answers": number(GenerationFields.Limits.count), "logprobs": number(GenerationFields.Limits.logprobs),
                "messages": number(ChatFields.maxMessages), "stops": number(GenerationFields.Limits.stops),
                "stop_bytes": number(GenerationFields.Limits.stopBytes), "logit_bias": number(GenerationFields.Limits.biases),
                "max_tokens": number(GenerationFields.Limits.tokens), "queue_seconds": seconds(EngineOptions().queueTimeout),
            ],
            "configuration": ["file_bytes": number(ConfigurationFile.maxBytes)],
            "map": ["record_bytes": number(RecordReader.maxBytes)],
            "batches": [
                "file_bytes": number(http.batches.fileBytes), "rows": number(http.batches.rows),
                "files_per_user": number(http.batches.filesPerUser), "bytes_per_user": number(http.batches.bytesPerUser),
                "live_per_user": number(http.batches.liveBatchesPerUser), "kept_per_user": number(http.batches.batchesPerUser),
                "filename_bytes": number(http.batches.filenameBytes),
            ],
        ]
    }
}
