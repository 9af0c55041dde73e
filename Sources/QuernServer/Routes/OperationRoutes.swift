// What the daemon is: /health and /v1/models.
import Hummingbird
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Backend {
    func addOperations(to router: Router<QuernRequestContext>) {
        router.get("health") { _, _ in Response(["status": "ok"]) }
        router.get("v1/models") { _, _ in Response(["object": "list", "data": [modelObject]]) }
        router.get("v1/models/:id") { _, context in
            let id = context.parameters.get("id") ?? ""
            guard id == model.info.id else {
                throw APIError(
                    status: 404, type: "not_found_error", code: "model_not_found", param: "id",
                    message: "the model \"\(id.prefix(128))\" is not loaded; this daemon serves \"\(model.info.id)\"")
            }
            return Response(modelObject)
        }
    }

    private var modelObject: JSONValue {
        let info = model.info
        return [
            "id": .string(info.id), "object": "model", "created": .int(Int64(info.created)), "owned_by": "quern",
            "meta": [
                "architecture": .string(info.architecture), "n_params": .int(Int64(info.parameterCount)),
                "n_ctx": .int(Int64(info.contextLength)), "n_vocab": .int(Int64(info.vocabularySize)),
                "precision": .string(info.precision.rawValue), "size": .int(Int64(info.weightBytes)),
                "format": .string(info.format), "instruction_set": .string(info.instructionSet),
                "threads": .int(Int64(info.threads)), "path": .string(info.path),
            ],
        ]
    }
}
