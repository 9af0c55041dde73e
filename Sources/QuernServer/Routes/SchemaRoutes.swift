// POST /v1/schema/check: what of a schema is enforced, before ten thousand answers are asked for.
import Hummingbird
import Quern
import QuernAPI
import QuernGrammar
import QuernJSON

extension Surface {
    func addSchemas(to router: Router<QuernRequestContext>) {
        router.post("v1/schema/check") { request, _ in
            let check = try SchemaCheckRequest(try await json(request))
            let report = await Task.detached(priority: .utility) { SchemaReport(check.schema) }.value
            return Response(report.json)
        }
    }
}
