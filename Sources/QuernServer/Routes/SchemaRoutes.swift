// POST /v1/schema/check: what of a schema is enforced, before ten thousand answers are asked for.
import Hummingbird
import Quern
import QuernAPI
import QuernGrammar
import QuernJSON

extension Surface {
    func addSchemas(to router: Router<QuernRequestContext>) {
        router.post("v1/schema/check") { request, context in
            let check = try SchemaCheckRequest(try await json(request))
            let report = try await context.whileConnected {
                await withTaskExecutorPreference(checking) { await Self.report(check) }
            }
            return Response(report.json)
        }
    }

    /// Nonisolated and asynchronous: runs on the preferred executor.
    private static func report(_ check: SchemaCheckRequest) async -> SchemaReport { SchemaReport(check.schema) }
}
