// All routes, and what a known route answers to a method it does not have.
import Hummingbird
import QuernAPI

extension Surface {
    func makeRouter() -> Router<QuernRequestContext> {
        let router = Router(context: QuernRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.addMiddleware {
            MetricsMiddleware(metrics: metrics)
            ErrorMiddleware(metrics: metrics)
            HeadMiddleware(limits: limits)
        }
        addOperations(to: router)
        addModels(to: router)
        addTokens(to: router)
        addEmbeddings(to: router)
        addCompletions(to: router)
        addMessages(to: router)
        addResponses(to: router)
        addSchemas(to: router)
        if let batches {
            addFiles(to: router, batches)
            addBatches(to: router, batches)
        }
        refuseOtherMethods(of: router)
        return router
    }

    private func refuseOtherMethods(of router: Router<QuernRequestContext>) {
        let routes = Dictionary(grouping: router.routes, by: \.path.description)
        for (_, known) in routes {
            guard let path = known.first?.path else { continue }
            let methods = Set(known.map(\.method)).union(known.contains { $0.method == .get } ? [.head] : [])
            let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
            for method in [.get, .head, .post, .put, .patch, .delete, .options, .trace] as [HTTPRequest.Method]
            where !methods.contains(method) {
                router.on(path, method: method) { request, _ -> Response in
                    let refusal = APIError(
                        status: 405, type: "invalid_request_error", code: "method_not_allowed",
                        message: "\(request.method.rawValue) is not allowed here; allowed: \(allowed)")
                    var response = Response(refusal, to: request)
                    response.headers[.allow] = allowed
                    return response
                }
            }
        }
    }
}
