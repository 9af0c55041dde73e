// A generation as server-sent events.
//
// Headers go out before prefill; a comment goes out whenever nothing was sent for the ping interval, so that clients and
// proxies keep the connection. Invariant: the stream ends with `[DONE]`, or with an error event and no `[DONE]`.
import Hummingbird
import Logging
import NIOCore
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

struct EventStream: Sendable {
    let generation: TextGeneration
    let response: CompletionResponse
    let includesUsage: Bool
    let limits: ServerLimits

    private enum Item: Sendable {
        case event(TextEvent)
        case ping
    }

    func response(logger: Logger) -> Response {
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-cache"]
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                do {
                    try await write(to: &writer, logger: logger)
                } catch {
                    generation.cancel()     // the client is gone
                    throw error
                }
            })
    }

    private func write(to writer: inout any ResponseBodyWriter, logger: Logger) async throws {
        let (items, feed) = AsyncStream.makeStream(of: Item.self)
        // One task forwards events, one keeps time; this one writes.
        let forward = Task {
            for await event in generation { feed.yield(.event(event)) }
            feed.finish()
        }
        let timer = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: limits.pingInterval)
                feed.yield(.ping)
            }
        }
        defer {
            forward.cancel()
            timer.cancel()
        }
        if let opening = response.opening { try await send(opening, to: &writer) }
        var isSilent = true
        for await item in items {
            switch item {
            case .ping:
                if isSilent { try await writer.write(ByteBuffer(string: ":\n\n")) }
                isSilent = true
            case .event(let event):
                isSilent = false
                if try await write(event, to: &writer, logger: logger) { break }
            }
        }
        try await writer.finish(nil)
    }

    /// True when the event was the last.
    private func write(_ event: TextEvent, to writer: inout any ResponseBodyWriter, logger: Logger) async throws -> Bool {
        switch event {
        case .started: return false
        case .text(let text, _):
            if !text.isEmpty { try await send(response.piece(text), to: &writer) }
            return false
        case .finished(let reason, let usage, let timings):
            logger.logCompletion(reason, usage, timings)
            let measured = Measurements(usage, timings)
            try await send(response.closing(finishReason: reason.rawValue, measured), to: &writer)
            if includesUsage { try await send(response.usage(measured), to: &writer) }
            try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
            return true
        case .failed(let error):
            try await send(APIError(error).json, to: &writer)
            return true
        }
    }

    private func send(_ json: JSONValue, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(string: "data: \(json.serialized())\n\n"))
    }
}
