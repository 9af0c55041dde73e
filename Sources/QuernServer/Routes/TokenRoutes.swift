// POST /tokenize, /detokenize and /apply-template: what the model sees, without running it.
import Hummingbird
import Quern
import QuernAPI
import QuernJSON
import QuernTemplate
import QuernTokenizer

extension Surface {
    func addTokens(to router: Router<QuernRequestContext>) {
        for path in ["tokenize", "v1/tokenize"] as [RouterPath] {
            router.post(path) { request, context in
                let wanted = try TokenizeRequest(try await json(request))
                return try await backend(wanted.model, context).tokenize(wanted)
            }
        }
        for path in ["detokenize", "v1/detokenize"] as [RouterPath] {
            router.post(path) { request, context in
                let wanted = try DetokenizeRequest(try await json(request))
                return try await backend(wanted.model, context).detokenize(wanted)
            }
        }
        router.post("apply-template") { request, context in
            let wanted = try TemplateRequest(try await json(request))
            let model = try await backend(wanted.model, context).model
            let prompt = try APIError.naming("messages") { () throws(RequestError) in try model.renderChat(ChatPrompt(wanted.chat)) }
            return Response(["prompt": .string(prompt.text)])
        }
    }
}

extension Backend {
    fileprivate func tokenize(_ request: TokenizeRequest) throws -> Response {
        let tokens: [TokenID]
        switch request.input {
        case .text(let text):
            let tokenizer = try tokenizer(for: "content")
            let bos = request.addsSpecial && tokenizer.addsBOS ? tokenizer.bosTokenID : nil
            tokens = [bos].compactMap { $0 } + tokenizer.encode(text, parseSpecial: request.parsesSpecial)
        case .chat(let chat):
            tokens = try APIError.naming("messages") { () throws(RequestError) in try model.encode(.chat(ChatPrompt(chat))) }
        }
        return Response([
            "tokens": .array(tokens.map { request.withPieces ? piece($0) : .int(Int64($0)) }), "count": .int(Int64(tokens.count)),
            "max_model_len": .int(Int64(model.info.contextLength)),
        ])
    }

    /// A token with its text, or its bytes where they are no text on their own.
    private func piece(_ token: TokenID) -> JSONValue {
        let bytes = model.tokenizer?.bytes(of: token) ?? []
        let text = String(validating: bytes, as: UTF8.self).map { JSONValue.string($0) }
        return ["id": .int(Int64(token)), "piece": text ?? .array(bytes.map { .int(Int64($0)) })]
    }

    fileprivate func detokenize(_ request: DetokenizeRequest) throws -> Response {
        let tokenizer = try tokenizer(for: "tokens")
        for (index, token) in request.tokens.enumerated() where tokenizer.bytes(of: token) == nil {
            throw APIError.invalid("tokens/\(index)", "tokens/\(index) is \(token), outside 0...\(tokenizer.vocabularyCount - 1)")
        }
        return Response(["content": .string(String(decoding: try tokenizer.decode(request.tokens), as: UTF8.self))])
    }

    private func tokenizer(for field: String) throws(APIError) -> Tokenizer {
        guard let tokenizer = model.tokenizer else { throw APIError(.noTokenizer, promptField: field) }
        return tokenizer
    }
}
