// What a client may do with a connection: how long it may take, how much it may send ahead, how it is told when it went wrong.
//
// Owns: the clock of one connection and the answers that need no route: 408, 431, 503, and 400 for bytes that are not HTTP.
// Does not own: what a request means. Invariants: a request that is not complete holds nothing but this connection; while a
// request is being answered no clock runs but the one of a reader that does not read.
import Hummingbird
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import QuernAPI
import QuernJSON

final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How far the request that is coming in has come.
    private enum Incoming {
        case nothing
        case head(since: NIODeadline)
        case body(since: NIODeadline, last: NIODeadline, bytes: Int)
    }

    let connection = Connection()
    private let limits: ServerLimits
    private let ledger: ConnectionLedger
    private var isCounted = false
    private var isOver = false
    private var incoming = Incoming.nothing
    private var requestLine = RequestLineRule()
    /// Bytes of a body's frames since its last byte: chunk extensions and trailers.
    private var framingBytes = 0
    /// While the handler is in its pipeline.
    private var context: ChannelHandlerContext?
    /// Requests whose head came and whose answer is not written.
    private var unanswered = 0
    private var lastEnd = NIODeadline.now()
    private var closesAfterAnswer = false
    /// Bytes that are no request came; they are answered after the requests before them.
    private var failure: APIError?
    private var timer: Scheduled<Void>?
    private var stall: Scheduled<Void>?

    init(limits: ServerLimits, ledger: ConnectionLedger) {
        self.limits = limits
        self.ledger = ledger
    }

    // MARK: Life

    /// Adds what has to see a guarded connection's bytes before the decoder does, and its heads before their conversion.
    ///
    /// - Throws: when the pipeline is not the one that this was written for.
    static func addRules(to pipeline: ChannelPipeline.SynchronousOperations) throws {
        let guarding = try pipeline.handler(type: ConnectionGuard.self)
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        try pipeline.addHandler(HeadRules(), position: .after(decoder))
        try pipeline.addHandler(ArrivalWatch { guarding.arrived($0) }, position: .first)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        PeerCredentials.of(context.channel).whenSuccess { peer in
            let (guarding, context) = bound.value
            guarding.connection.peer = peer
            guarding.isCounted = guarding.ledger.enter(peer?.userID)
            guarding.lastEnd = .now()
            guarding.arm(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        timer?.cancel()
        stall?.cancel()
        if isCounted { ledger.leave(connection.peer?.userID) }
        isCounted = false
        connection.close()
        context.fireChannelInactive()
    }

    // MARK: Requests

    /// Bytes came that nobody has read yet.
    private func arrived(_ bytes: ByteBufferView) {
        guard let context, failure == nil else { return }
        switch incoming {
        case .nothing, .head:
            if case .nothing = incoming {
                incoming = .head(since: .now())
                arm(context)
            }
            if !requestLine.allows(bytes) { fail(.invalid(nil, RequestLineRule.problem, code: "invalid_http"), context) }
        case .body:
            // What came before these bytes and was none of the body.
            guard framingBytes <= limits.headerBytes else {
                let problem = "the body's chunk extensions or trailers exceed the limit of \(limits.headerBytes) bytes"
                return fail(.invalid(nil, problem, code: "invalid_http"), context)
            }
            framingBytes += bytes.count
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard failure == nil else { return }
        let now = NIODeadline.now()
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard isCounted else {
                let error = APIError(
                    status: 503, type: "overloaded_error", code: "too_many_connections",
                    message: "too many connections are open; try again later")
                return refuse(error, context)
            }
            if head.headerFields[.expect]?.lowercased() == "100-continue", isWelcome(head) {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            incoming = .body(since: now, last: now, bytes: 0)
            framingBytes = 0
            unanswered += 1
        case .body(let buffer):
            if case .body(let since, _, let bytes) = incoming {
                incoming = .body(since: since, last: now, bytes: bytes + buffer.readableBytes)
                framingBytes = 0
            }
        case .end:
            incoming = .nothing
        }
        arm(context)
        context.fireChannelRead(data)
    }

    private func isWelcome(_ head: HTTPRequest) -> Bool {
        let most = head.path == "/v1/files" ? limits.batches.fileBytes : limits.bodyBytes
        return head.headerFields[.contentLength].flatMap { Int($0) }.map { $0 <= most } ?? true
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if failure != nil { return }        // what follows bytes that are not HTTP
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        fail(APIError(error), context)
    }

    /// Nothing that comes from now on is a request; this is said after the requests before it are answered.
    private func fail(_ error: APIError, _ context: ChannelHandlerContext) {
        failure = error
        timer?.cancel()
        // A request whose body broke off has no answer of its own.
        if case .body = incoming, unanswered > 0 { unanswered -= 1 }
        if unanswered == 0 { answerFailure(context) }
    }

    private func answerFailure(_ context: ChannelHandlerContext) {
        if let failure { refuse(failure, context) }
    }

    /// Answers without a route and closes.
    private func refuse(_ error: APIError, _ context: ChannelHandlerContext) {
        let body = ByteBuffer(string: error.json.serialized())
        var response = HTTPResponse(status: HTTPResponse.Status(code: error.status))
        response.headerFields = [
            .contentType: "application/json", .contentLength: "\(body.readableBytes)", .connection: "close",
        ]
        if error.status == 503 { response.headerFields[.retryAfter] = "1" }
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.headerFields[.connection]?.lowercased() == "close" { closesAfterAnswer = true }
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            unanswered -= 1
            lastEnd = .now()
            context.writeAndFlush(data, promise: promise)
            if unanswered == 0, failure != nil {
                answerFailure(context)
            } else if closesAfterAnswer {
                context.close(promise: nil)
            } else {
                arm(context)
            }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = nil
        if !context.channel.isWritable {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            stall = context.eventLoop.scheduleTask(in: TimeAmount(limits.stalledReaderTimeout)) {
                bound.value.channel.close(mode: .all, promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Clock

    /// When the client has taken too long; nil while it is the server's turn.
    private var deadline: NIODeadline? {
        switch incoming {
        // One connection too many waits for its refusal, and not for long.
        case .nothing:
            unanswered > 0 ? nil : lastEnd + TimeAmount(isCounted ? limits.keepAliveTimeout : limits.headerTimeout)
        case .head(let since): unanswered > 0 ? nil : max(since, lastEnd) + TimeAmount(limits.headerTimeout)
        case .body(let since, let last, let bytes):
            // An earlier request in work is not the sender's delay.
            unanswered > 1
                ? nil
                : min(
                    last + TimeAmount(limits.bodyIdleTimeout),
                    since + TimeAmount(limits.bodyIdleTimeout)
                        + .milliseconds(Int64(bytes) * 1000 / Int64(limits.bodyBytesPerSecond)))
        }
    }

    private func arm(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        guard !isOver, failure == nil, let deadline else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: deadline) {
            let (guarding, context) = bound.value
            guarding.expire(context)
        }
    }

    private func expire(_ context: ChannelHandlerContext) {
        if case .nothing = incoming { return context.close(promise: nil) }
        refuse(
            APIError(
                status: 408, type: "invalid_request_error", code: "request_timeout",
                message: "the request did not arrive in time"), context)
    }
}
