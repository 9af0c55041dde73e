// An answer as server-sent events.
//
// Headers go out before prefill; a comment goes out whenever nothing was sent for the ping interval, so that clients and
// proxies keep the connection. Invariant: the stream ends with `[DONE]`, or with an error event and no `[DONE]`.
import Hummingbird
import NIOCore
import Quern
import QuernAPI
import QuernJSON

struct EventStream: Sendable {
    let answer: Answer
    let includesUsage: Bool
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
        var telling = Telling(answer)
        defer {
            // The client may be gone: then this ends all generations.
            answer.group.cancel()
            timer.cancel()
            if !telling.isOver { answer.recorder.abandoned() }
        }
        for opening in answer.assemblers.indices.compactMap({ answer.response.opening(index: $0) }) {
            try await send(opening, to: &writer)
        }
        var isSilent = true
        for await item in answer.group.events {
            switch item {
            case .reminder:
                if isSilent { try await writer.write(ByteBuffer(string: ":\n\n")) }
                isSilent = true
            case .of(let choice, let event):
                if case .failed(let error) = event {
                    telling.isOver = true
                    try await send(answer.recorder.failed(error).json, to: &writer)
                    return try await writer.finish(nil)
                }
                guard let chunk = telling.chunk(for: event, of: choice) else { continue }
                isSilent = false
                try await send(chunk, to: &writer)
            }
        }
        if telling.isOver {
            if includesUsage { try await send(answer.response.usage(telling.measured), to: &writer) }
            try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
        } else {
            try await send(APIError(RequestError.shuttingDown).json, to: &writer)
        }
        try await writer.finish(nil)
    }

    private func send(_ json: JSONValue, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(string: "data: \(json.serialized())\n\n"))
    }
}

/// Turns the events of all choices into chunks and adds up what they measured.
private struct Telling {
    private let answer: Answer
    private var assemblers: [ChoiceAssembler]
    /// Prompt and cached tokens of each choice, and when it was started.
    private var prompts: [Int: (total: Int, cached: Int, start: ContinuousClock.Instant)] = [:]
    private var open: Int
    private(set) var measured = Measurements()
    /// All choices have ended, or one has failed.
    var isOver = false

    init(_ answer: Answer) {
        self.answer = answer
        assemblers = answer.assemblers
        open = answer.assemblers.count
    }

    mutating func chunk(for event: TextEvent, of choice: Int) -> JSONValue? {
        let part = assemblers[choice].add(event)
        switch event {
        case .started(let total, let cached):
            prompts[choice] = (total, cached, .now)
        case .progress(let count):
            guard let prompt = prompts[choice] else { return nil }
            return answer.response.progress(
                index: choice, total: prompt.total, cached: prompt.cached, processed: count,
                milliseconds: (.now - prompt.start) / .milliseconds(1))
        case .finished(let reason, let usage, let timings):
            let one = answer.recorder.finished(reason, usage, timings)
            measured.add(one, sharesPrompt: choice % answer.countPerPrompt != 0)
            open -= 1
            isOver = open == 0
            return part.map { answer.response.closing($0, one) }
        case .promptLogprobs, .logprobs, .text, .failed: break
        }
        return part.map { answer.response.piece($0) }
    }
}
