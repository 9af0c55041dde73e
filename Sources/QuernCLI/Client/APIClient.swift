// HTTP over a Unix socket, to the daemon or to a service in this process: one request per connection, answers as JSON or as
// an event stream.
//
// Invariant: cancelling the task that waits for an answer closes the connection, which cancels the generation.
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import QuernJSON
import QuernServer

struct APIClient: Sendable {
    enum Peer: Sendable {
        case daemon(socket: String)
        case inProcess(LocalService)
    }

    /// A whole answer, whatever its status.
    struct Answer: Sendable {
        let status: Int
        let json: JSONValue
        /// Seconds to wait before trying again, when the server says so.
        let retryAfter: Int?

        /// The server's own reason, as a failure of the command.
        var failure: Failure { APIClient.failure(json) }
    }

    let peer: Peer

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
    private typealias Parts = NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    private static let maxAnswerBytes = 64 << 20

    func get(_ path: String) async throws -> JSONValue {
        let answer = try await request(.GET, path, body: nil)
        guard answer.status == 200 else { throw answer.failure }
        return answer.json
    }

    /// An answer that is not JSON.
    func getText(_ path: String) async throws -> String {
        try await exchange(.GET, path, body: nil) { head, parts in
            let bytes = try await Self.collect(&parts)
            guard head.status == .ok else { throw Self.failure((try? JSONValue(parsing: bytes)) ?? .null) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    func post(_ path: String, _ body: JSONValue) async throws -> Answer { try await request(.POST, path, body: body) }

    private func request(_ method: HTTPMethod, _ path: String, body: JSONValue?) async throws -> Answer {
        try await exchange(method, path, body: body) { head, parts in
            Answer(
                status: Int(head.status.code), json: try JSONValue(parsing: try await Self.collect(&parts)),
                retryAfter: head.headers.first(name: "Retry-After").flatMap { Int($0) })
        }
    }

    /// Posts `body` and hands every event to `onEvent` until it returns false or the stream ends.
    func stream(_ path: String, _ body: JSONValue, _ onEvent: (JSONValue) throws -> Bool) async throws {
        try await exchange(.POST, path, body: body) { head, parts in
            guard head.status == .ok else { throw Self.failure(try JSONValue(parsing: try await Self.collect(&parts))) }
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

    private static func collect(_ parts: inout Parts) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let part = try await parts.next() {
            if case .body(let buffer) = part { bytes += buffer.readableBytesView }
            guard bytes.count <= maxAnswerBytes else { throw Failure.general("the daemon's answer is too large") }
            if case .end = part { return bytes }
        }
        throw Failure.noDaemon("the daemon ended the answer early")
    }

    private static func failure(_ json: JSONValue) -> Failure {
        let message = json["error"]?["message"]?.stringValue ?? "the daemon answered with an error"
        switch json["error"]?["type"]?.stringValue {
        case "overloaded_error", "unavailable_error": return Failure(status: 75, message: message)
        default: return Failure(status: json["error"]?["code"] == "empty_prompt" ? 65 : 1, message: message)
        }
    }

    private func connect() async throws -> Connection {
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        let wrap: @Sendable (any Channel) -> EventLoopFuture<Connection> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try Connection(wrappingChannelSynchronously: channel)
            }
        }
        switch peer {
        case .inProcess(let service): return try await bootstrap.withConnectedSocket(try service.connect(), channelInitializer: wrap)
        case .daemon(let socket):
            do {
                return try await bootstrap.connect(unixDomainSocketPath: socket, channelInitializer: wrap)
            } catch {
                throw Failure.noDaemon("\(socket): no daemon answers there (\(error)); start one with `quern serve`")
            }
        }
    }

    private func exchange<Result: Sendable>(
        _ method: HTTPMethod, _ path: String, body: JSONValue?,
        _ handle: (HTTPResponseHead, inout Parts) async throws -> Result
    ) async throws -> Result {
        try await connect().executeThenClose { inbound, outbound in
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
                throw Failure.noDaemon("the daemon closed the connection without an answer")
            }
            return try await handle(response, &parts)
        }
    }
}
