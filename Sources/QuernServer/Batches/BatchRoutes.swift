// /v1/batches: files of requests, answered while nobody waits.
import Hummingbird
import QuernAPI
import QuernBatch
import QuernJSON

extension Surface {
    func addBatches(to router: Router<QuernRequestContext>, _ store: BatchStore) {
        router.post("v1/batches") { request, context in
            let wanted = try BatchRequest(try await json(request), endpoints: BatchInput.paths)
            return Response(try await store.create(wanted, by: try await context.owner()).json)
        }
        router.get("v1/batches") { request, context in
            let query = try ListQuery(request.parameters, default: 20, maximum: 100)
            let batches = try await store.batches(of: try await context.owner())
            return Response(try query.page(batches.map { ($0.id, $0.json) }))
        }
        router.get("v1/batches/:id") { _, context in
            Response(try await store.batch(context.parameters.get("id") ?? "", of: try await context.owner()).json)
        }
        router.post("v1/batches/:id/cancel") { _, context in
            Response(try await store.cancel(context.parameters.get("id") ?? "", of: try await context.owner()).json)
        }
    }
}
