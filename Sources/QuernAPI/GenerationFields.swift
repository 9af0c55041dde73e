// The fields that chat completions and completions share.
import QuernJSON

/// Sampling and length settings as a client sent them; nil means not sent.
public struct GenerationFields: Sendable {
    public var model: String?
    public var maxTokens: Int?
    public var temperature: Double?
    public var topP: Double?
    public var topK: Int?
    public var minP: Double?
    public var repetitionPenalty: Double?
    public var presencePenalty: Double?
    public var frequencyPenalty: Double?
    public var seed: UInt64?
    public var logitBias: [Int32: Float] = [:]
    public var stop: [String] = []
    public var stopTokenIDs: [Int32] = []
    public var ignoreEOS = false
    public var stream = false
    public var includeUsage = false

    enum Limits {
        static let stops = 16
        static let stopBytes = 256
        static let biases = 1024
        static let tokens = 1 << 24
    }

    init(_ fields: inout RequestFields) throws(APIError) {
        model = try fields.string("model")
        let newer = try fields.integer("max_completion_tokens", in: 1...Limits.tokens)
        maxTokens = try fields.integer("max_tokens", in: 1...Limits.tokens)
        if let newer { maxTokens = newer }
        temperature = try fields.number("temperature", in: 0...2)
        topP = try fields.number("top_p", in: 0...1)
        if topP == 0 { throw .invalid("top_p", "top_p is 0, it must be greater") }
        topK = try fields.integer("top_k", in: 0...(1 << 21))
        minP = try fields.number("min_p", in: 0...1)
        repetitionPenalty = try fields.number("repetition_penalty", in: 0.01...100)
        presencePenalty = try fields.number("presence_penalty", in: -2...2)
        frequencyPenalty = try fields.number("frequency_penalty", in: -2...2)
        seed = try fields.integer("seed", in: Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) }
        logitBias = try Self.biases(&fields)
        stop = try Self.stops(&fields)
        stopTokenIDs = try fields.tokens("stop_token_ids", limit: 1024)
        ignoreEOS = try fields.bool("ignore_eos") ?? false
        stream = try fields.bool("stream") ?? false
        try readStreamOptions(&fields)
        if let count = try fields.integer("n", in: 1...16), count != 1 {
            throw .invalid("n", "n is \(count); this server supports 1", code: "unsupported_parameter")
        }
        fields.accept("user")       // an opaque label, used for nothing
        try fields.refuse("logprobs") { $0.boolValue == false }
        for key in ["top_logprobs", "best_of", "suffix", "response_format", "grammar"] { try fields.refuse(key) }
    }

    private mutating func readStreamOptions(_ fields: inout RequestFields) throws(APIError) {
        guard let options = fields.value("stream_options") else { return }
        guard stream else { throw .invalid("stream_options", "stream_options needs stream: true") }
        var nested = try RequestFields(options)
        includeUsage = try nested.bool("include_usage") ?? false
        try nested.finish()
    }

    private static func biases(_ fields: inout RequestFields) throws(APIError) -> [Int32: Float] {
        guard let value = fields.value("logit_bias") else { return [:] }
        guard let members = value.objectValue?.members, members.count <= Limits.biases else {
            throw .invalid("logit_bias", "logit_bias is not an object of at most \(Limits.biases) entries")
        }
        var biases: [Int32: Float] = [:]
        for member in members {
            let name = "logit_bias/\(member.key.prefix(32))"
            guard let token = Int32(member.key), token >= 0 else { throw .invalid(name, "\(name) is not a token id") }
            guard let bias = member.value.doubleValue, (-100...100).contains(bias) else {
                throw .invalid(name, "\(name) is not a number in -100...100")
            }
            biases[token] = Float(bias)
        }
        return biases
    }

    private static func stops(_ fields: inout RequestFields) throws(APIError) -> [String] {
        guard let value = fields.value("stop") else { return [] }
        let list = value.arrayValue ?? [value]
        guard list.count <= Limits.stops else {
            throw .invalid("stop", "stop has \(list.count) strings, the limit is \(Limits.stops)")
        }
        var stops: [String] = []
        for (index, element) in list.enumerated() {
            guard let text = element.stringValue, !text.isEmpty, text.utf8.count <= Limits.stopBytes else {
                throw .invalid("stop/\(index)", "stop/\(index) is not a string of 1 to \(Limits.stopBytes) bytes")
            }
            stops.append(text)
        }
        return stops
    }
}
