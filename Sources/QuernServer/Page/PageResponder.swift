// The page at `GET /` of the loopback listener, and who may talk to that listener.
//
// Any program of this machine, and any web page in its browser, can reach a loopback port. Invariants: a request whose Host
// is not the listener's own is refused, so that no other site's name can be pointed here (DNS rebinding); a request that
// another site's page makes is refused by its Origin; the page itself loads and contacts nothing else.
import Hummingbird
import NIOCore
import QuernAPI

struct PageResponder<API: HTTPResponder>: HTTPResponder where API.Context == QuernRequestContext {
    let address: LoopbackAddress
    /// What answers everything but the page.
    let api: API

    func respond(to request: Request, context: QuernRequestContext) async throws -> Response {
        if let refusal = refusal(request) { return Response(refusal, to: request) }
        guard request.uri.path == "/", request.method == .get || request.method == .head else {
            return try await api.respond(to: request, context: context)
        }
        return page(isHead: request.method == .head)
    }

    /// Why `request` is none of ours; nil when it is.
    private func refusal(_ request: Request) -> APIError? {
        guard let host = request.head.authority, address.authorities.contains(host.lowercased()) else {
            return APIError(
                status: 403, type: "permission_error", code: "wrong_host",
                message: "this listener answers to \(address.authorities.joined(separator: " and ")) only")
        }
        guard let origin = request.headers[.origin] else { return nil }
        guard address.authorities.contains(where: { "http://\($0)" == origin.lowercased() }) else {
            return APIError(
                status: 403, type: "permission_error", code: "wrong_origin", message: "pages of \(origin.prefix(128)) may not ask this daemon")
        }
        return nil
    }

    private func page(isHead: Bool) -> Response {
        let html = PackageResources.page_html
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8", .contentLength: "\(html.count)", .cacheControl: "no-cache",
                .xContentTypeOptions: "nosniff",
                .contentSecurityPolicy:
                    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
                    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ],
            body: isHead ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: html)))
    }
}
