// HTTP over the daemon's Unix socket: one request per connection, answers as JSON or as an event stream.
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import QuernJSON

struct DaemonClient: Sendable {
    let socket: String
    let modelID: String

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
    private static let maxAnswerBytes = 64 << 20

    /// A client for the daemon at `socket`; nil when none answers there, or it serves another model than `wanted`.
    static func connect(_ socket: String, serving wanted: String?) async throws -> DaemonClient? {
        guard FileManager.default.fileExists(atPath: socket),
            let models = try? await DaemonClient(socket: socket, modelID: "").get("/v1/models"),
            let served = models["data"]?.arrayValue?.first, let id = served["id"]?.stringValue
        else { return nil }
        if let wanted {
            let path = served["meta"]?["path"]?.stringValue.map { URL(filePath: $0).standardizedFileURL.path }
            let resolved = (try? ModelLocator.resolve(wanted)).map { URL(filePath: $0).standardizedFileURL.path }
            guard wanted == id || (resolved != nil && resolved == path) else { return nil }
        }
        return DaemonClient(socket: socket, modelID: id)
    }

    func get(_ path: String) async throws -> JSONValue {
        var answer = JSONValue.null
        try await exchange(.GET, path, body: nil) { status, body in
            let bytes = try await Self.collect(&body)
            answer = try JSONValue(parsing: bytes)
            guard status == .ok else { throw Self.failure(answer) }
        }
        return answer
    }

    /// An answer that is not JSON.
    func getText(_ path: String) async throws -> String {
        var text = ""
        try await exchange(.GET, path, body: nil) { status, body in
            let bytes = try await Self.collect(&body)
            guard status == .ok else { throw Self.failure((try? JSONValue(parsing: bytes)) ?? .null) }
            text = String(decoding: bytes, as: UTF8.self)
        }
        return text
    }

    /// Posts `body` and hands every event to `onEvent` until it returns false or the stream ends.
    func stream(_ path: String, _ body: JSONValue, _ onEvent: (JSONValue) throws -> Bool) async throws {
        try await exchange(.POST, path, body: body) { status, parts in
            guard status == .ok else { throw Self.failure(try JSONValue(parsing: try await Self.collect(&parts))) }
            var line: [UInt8] = []
            while let part = try await parts.next() {
                guard case .body(let buffer) = part else { continue }
                for byte in buffer.readableBytesView {
                    guard byte == 0x0A else {
                        line.append(byte)
                        continue
                    }
                    let text = line
                    line = []
                    guard text.starts(with: Array("data: ".utf8)) else { continue }
                    let payload = Array(text.dropFirst(6))
                    if payload == Array("[DONE]".utf8) { return }
                    let event = try JSONValue(parsing: payload)
                    if event["error"] != nil { throw Self.failure(event) }
                    if try !onEvent(event) { return }
                }
            }
            throw Failure(status: 75, message: "the daemon ended the answer early")
        }
    }

    private typealias Parts = NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

    private static func collect(_ parts: inout Parts) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let part = try await parts.next() {
            if case .body(let buffer) = part { bytes += buffer.readableBytesView }
            guard bytes.count <= maxAnswerBytes else { throw Failure.general("the daemon's answer is too large") }
            if case .end = part { break }
        }
        return bytes
    }

    private static func failure(_ json: JSONValue) -> Failure {
        let message = json["error"]?["message"]?.stringValue ?? "the daemon answered with an error"
        let isTemporary = ["overloaded_error", "unavailable_error"].contains(json["error"]?["type"]?.stringValue)
        return Failure(status: isTemporary ? 75 : 1, message: message)
    }

    private func exchange(
        _ method: HTTPMethod, _ path: String, body: JSONValue?,
        _ handle: (HTTPResponseStatus, inout Parts) async throws -> Void
    ) async throws {
        let connection: Connection
        do {
            connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: socket) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw Failure.noDaemon("\(socket): no daemon answers there (\(error)); start one with `quern serve`")
        }
        try await connection.executeThenClose { inbound, outbound in
            let payload = body.map { ByteBuffer(string: $0.serialized()) }
            var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
            head.headers.add(name: "Host", value: "quern")
            head.headers.add(name: "Connection", value: "close")
            if let payload {
                head.headers.add(name: "Content-Type", value: "application/json")
                head.headers.add(name: "Content-Length", value: "\(payload.readableBytes)")
            }
            // One write: a daemon that has read the head may answer and close before a second one. When even this
            // one fails, what was answered early is still there to be read.
            var request: [HTTPClientRequestPart] = [.head(head)]
            if let payload { request.append(.body(.byteBuffer(payload))) }
            try? await outbound.write(contentsOf: request + [.end(nil)])
            var parts = inbound.makeAsyncIterator()
            guard case .head(let response)? = try await parts.next() else {
                throw Failure.noDaemon("\(socket): the daemon closed the connection")
            }
            try await handle(response.status, &parts)
        }
    }
}
