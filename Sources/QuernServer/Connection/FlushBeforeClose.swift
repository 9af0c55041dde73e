// Keeps a connection open until its last answer has left.
//
// The server library closes right after it wrote the end of an answer while shutting down; closing drops whatever a slow
// reader has not taken yet. Invariant: a close asked for here happens after the last written end, or at once when there is none.
import NIOCore
import NIOHTTPTypes

final class FlushBeforeClose: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// When the last end of an answer is on its way to the peer.
    private var lastEnd: EventLoopFuture<Void>?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        let written = promise ?? context.eventLoop.makePromise()
        lastEnd = written.futureResult
        context.write(data, promise: written)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, let lastEnd else { return context.close(mode: mode, promise: promise) }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        // Complete already as a rule; then this closes at once.
        lastEnd.whenComplete { _ in bound.value.close(mode: .all, promise: promise) }
    }
}
