// Asks this daemon's own routes, without a socket, on behalf of a user who is not connected.
//
// Invariants: a row is counted, limited and answered like a request of that user's; when the task that waits is cancelled, so is
// the generation.
import Hummingbird
import Logging
import NIOCore
import QuernAPI
import QuernBatch
import QuernJSON

struct RowClient: Sendable {
    private let routes: any HTTPResponder<QuernRequestContext>
    private let logger: Logger

    init(_ surface: Surface, logger: Logger) {
        routes = surface.makeRouter().buildResponder()
        self.logger = logger
    }

    /// Waits as long as there is no room, which a batch has time for.
    ///
    /// - Throws: `CancellationError`.
    func postPatiently(_ path: String, _ body: JSONValue, as owner: UInt32) async throws -> BatchRun.Answer {
        var pause = Duration.milliseconds(100)
        while true {
            let answer = try await post(path, body, as: owner)
            guard answer.status == 503 || answer.status == 429 else { return answer }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
    }

    private func post(_ path: String, _ body: JSONValue, as owner: UInt32) async throws -> BatchRun.Answer {
        let connection = Connection()
        connection.peer = PeerCredentials(userID: owner, processID: 0)
        let context = QuernRequestContext(on: connection, logger: logger)
        let buffer = ByteBuffer(string: body.serialized())
        let request = Request(
            head: HTTPRequest(
                method: .post, scheme: nil, authority: "quern", path: path,
                headerFields: [.contentType: "application/json", .contentLength: "\(buffer.readableBytes)"]),
            body: RequestBody(buffer: buffer))
        let outcome = await withTaskCancellationHandler {
            await Result {
                let response = try await routes.respond(to: request, context: context)
                let collected = CollectedBody()
                try await response.body.write(collected)
                return BatchRun.Answer(status: response.status.code, body: try JSONValue(parsing: collected.bytes))
            }
        } onCancel: {
            connection.close()
        }
        await context.leases.end()
        try Task.checkCancellation()        // what was answered to nobody is no answer
        return try outcome.get()
    }
}

/// The bytes of an answer. Written by one task.
private final class CollectedBody: ResponseBodyWriter, @unchecked Sendable {
    private(set) var bytes: [UInt8] = []

    func write(_ buffer: ByteBuffer) { bytes += buffer.readableBytesView }
    func finish(_ trailingHeaders: HTTPFields?) {}
}
