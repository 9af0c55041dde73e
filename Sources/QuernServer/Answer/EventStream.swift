// An answer as server-sent events.
//
// Headers go out before prefill; a ping goes out whenever nothing was sent for the ping interval, so that clients and
// proxies keep the connection. Invariant: the stream ends with the form's end, or with its failure.
import Hummingbird
import NIOCore
import Quern
import QuernAPI

struct EventStream<Form: AnswerForm>: Sendable {
    let answer: Answer<Form>
    let pingInterval: Duration

    func response() -> Response {
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-cache"]
        var response = Response(status: .ok, headers: headers, body: ResponseBody { try await write(to: &$0) })
        answer.recorder.mark(&response)
        return response
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        let timer = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: pingInterval)
                answer.group.remind()
            }
        }
        var form = answer.form
        var open = answer.count
        defer {
            // The client may be gone: then this ends all generations.
            answer.group.cancel()
            timer.cancel()
            if open > 0 { answer.recorder.abandoned() }
        }
        try await send(form.begin(), to: &writer)
        var isSilent = true
        for await item in answer.group.events {
            switch item {
            case .reminder:
                if isSilent { try await send([form.ping], to: &writer) }
                isSilent = true
            case .of(_, .failed(let error)):
                open = 0
                try await send(form.fail(answer.recorder.failed(error)), to: &writer)
                return try await writer.finish(nil)
            case .of(let choice, let event):
                let measured = answer.recorder.note(event)
                let piece = form.add(event, of: choice, measured)
                if measured != nil { open -= 1 }
                guard let piece else { continue }
                isSilent = false
                try await send(form.tell(piece), to: &writer)
            }
        }
        try await send(open == 0 ? form.end() : form.fail(APIError(RequestError.shuttingDown)), to: &writer)
        try await writer.finish(nil)
    }

    private func send(_ events: [ServerSentEvent], to writer: inout any ResponseBodyWriter) async throws {
        guard !events.isEmpty else { return }
        try await writer.write(events.dropFirst().reduce(into: events[0].bytes) { $0.writeImmutableBuffer($1.bytes) })
    }
}
