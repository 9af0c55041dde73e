// GET /v1/models and /models, POST /models/load and /models/unload: what can be asked about the models and done with them.
//
// Invariant: looking at models neither loads one nor keeps one loaded.
import Hummingbird
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Surface {
    func addModels(to router: Router<QuernRequestContext>) {
        router.get("v1/models") { _, _ in Response(["object": "list", "data": .array(await models.statuses.map(\.openAI))]) }
        router.get("v1/models/:id") { _, context in
            let name = context.parameters.get("id") ?? ""
            guard let status = await models.statuses.first(where: { $0.specification.name.utf8.elementsEqual(name.utf8) }) else {
                throw APIError(
                    status: 404, type: "not_found_error", code: "model_not_found", param: "id",
                    message: "there is no model \"\(name.prefix(128))\"")
            }
            return Response(status.openAI)
        }
        router.get("models") { _, _ in
            let statuses = await models.statuses
            let used = statuses.filter { $0.state != "unloaded" }.reduce(0) { $0 + $1.specification.estimatedBytes }
            return Response([
                "object": "list", "budget_bytes": .int(Int64(models.budget)), "used_bytes": .int(Int64(used)),
                "device": device?.json ?? .null, "data": .array(statuses.map(\.report)),
            ])
        }
        router.post("models/load") { request, _ in
            try await models.load(named: try ModelRequest(try await json(request)).model)
            return Response(["success": true])
        }
        router.post("models/unload") { request, _ in
            try await models.unload(named: try ModelRequest(try await json(request)).model)
            return Response(["success": true])
        }
    }
}

extension ModelRegistry.Status {
    /// A member of the list in /v1/models; most figures are known once the model is loaded.
    fileprivate var openAI: JSONValue {
        guard let model else {
            return [
                "id": .string(specification.name), "object": "model", "created": 0, "owned_by": "quern",
                "meta": ["path": .string(specification.path)],
            ]
        }
        let info = model.info
        return [
            "id": .string(info.id), "object": "model", "created": .int(Int64(info.created)), "owned_by": "quern",
            "meta": [
                "architecture": .string(info.architecture), "n_params": .int(Int64(info.parameterCount)),
                "n_ctx": .int(Int64(info.contextLength)), "n_vocab": .int(Int64(info.vocabularySize)),
                "n_embd": .int(Int64(model.embeddingWidth)),
                "precision": .string(info.precision.rawValue), "size": .int(Int64(info.weightBytes)),
                "format": .string(info.format), "instruction_set": .string(info.instructionSet),
                "threads": .int(Int64(info.threads)), "path": .string(info.path),
                "has_chat_template": .bool(model.chatTemplate != nil),
            ],
        ]
    }

    /// A member of the list in /models.
    fileprivate var report: JSONValue {
        let statistics = model?.statistics
        let idleUnload = specification.idleUnload.map { JSONValue.int($0.components.seconds) }
        return [
            "id": .string(specification.name), "path": .string(specification.path), "status": ["value": .string(state)],
            "live_requests": .int(Int64(liveCount)), "running": .int(Int64(statistics?.runningSequences ?? 0)),
            "waiting": .int(Int64(statistics?.waitingSequences ?? 0)), "estimated_bytes": .int(Int64(specification.estimatedBytes)),
            "idle_seconds": model == nil ? .null : .int(idle.components.seconds), "idle_unload_seconds": idleUnload ?? .null,
        ]
    }
}
