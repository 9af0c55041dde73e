// POST /v1/embeddings.
import Hummingbird
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Surface {
    func addEmbeddings(to router: Router<QuernRequestContext>) {
        router.post("v1/embeddings") { request, context in
            let wanted = try EmbeddingRequest(try await json(request))
            let backend = try await backend(wanted.model, context)
            let model = backend.model
            if let dimensions = wanted.dimensions, dimensions != model.embeddingWidth {
                throw APIError.invalid(
                    "dimensions", "dimensions is \(dimensions); this model's vectors have \(model.embeddingWidth) and cannot be cut")
            }
            let connection = try await context.connection()
            let domain = Sender(userID: connection.peer?.userID).domain(salt: nil)
            let pooling: Pooling = wanted.pooling == .mean ? .mean : .last
            let prepared = try APIError.naming("input") { () throws(RequestError) in
                try wanted.inputs.map { input throws(RequestError) in
                    try model.prepareEmbedding(Prompt(input), pooling: pooling, priority: Priority(wanted.priority), domain: domain)
                }
            }
            let task = Task { try await backend.embed(prepared) }
            connection.whenClosed { task.cancel() }
            let recorder = backend.recorder(context.logger.naming(connection.peer))
            let embeddings: [Embedding]
            do {
                embeddings = try await task.value
            } catch {
                guard task.isCancelled else { throw error }
                recorder.abandoned()
                throw CancellationError()
            }
            var measured = Measurements()
            for embedding in embeddings {
                measured.add(recorder.finished(.length, embedding.usage, embedding.timings), sharesPrompt: false)
            }
            return Response(EmbeddingResponse.list(embeddings.map(\.vector), encoding: wanted.encoding, model: model.info.id, measured))
        }
    }
}

extension Backend {
    /// In the order of the requests, a limited number at a time.
    fileprivate func embed(_ requests: [PreparedRequest]) async throws -> [Embedding] {
        try await withThrowingTaskGroup(of: (Int, Embedding).self) { group in
            var next = 0
            func start() {
                guard next < requests.count else { return }
                group.addTask { [next] in (next, try await model.embed(requests[next])) }
                next += 1
            }
            for _ in 0..<ChoiceGroup.width { start() }
            var embeddings: [Embedding?] = Array(repeating: nil, count: requests.count)
            while let (index, embedding) = try await group.next() {
                embeddings[index] = embedding
                start()
            }
            return embeddings.compactMap { $0 }
        }
    }
}
