// Counts every answer by route and status.
import Hummingbird

struct MetricsMiddleware: RouterMiddleware {
    let metrics: Metrics

    func handle(
        _ request: Request, context: QuernRequestContext,
        next: (Request, QuernRequestContext) async throws -> Response
    ) async throws -> Response {
        let response = try await next(request, context)
        // The route's pattern, not what the client wrote: a label must not grow with requests.
        metrics.count(endpoint: context.endpointPath ?? "unknown", status: response.status.code)
        return response
    }
}
