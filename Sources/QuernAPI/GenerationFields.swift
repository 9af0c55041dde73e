// How long and how an answer is generated: the fields that all surfaces share, and those of chat completions and completions.
import QuernJSON

/// Who goes first when not everybody can be served at once.
public enum PriorityName: String, Sendable, CaseIterable {
    case interactive, `default`, batch
}

/// Sampling and length settings as a client sent them; nil means not sent.
public struct GenerationFields: Sendable {
    public var model: String?
    /// 0 computes the prompt and generates nothing.
    public var maxTokens: Int?
    public var minTokens = 0
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
    /// Answers to every prompt.
    public var count = 1
    public var priority: PriorityName?
    /// Requests share cached prompts only with those of the same salt.
    public var cacheSalt: String?
    public var stream = false
    public var includeUsage = false
    /// Tell how much of the prompt is computed while it is; needs `stream`.
    public var returnsProgress = false
    /// Give the ids of the generated tokens along with their text.
    public var returnsTokens = false

    public enum Limits {
        public static let count = 16
        public static let stops = 16
        public static let stopBytes = 256
        public static let stopTokens = 1024
        public static let biases = 1024
        public static let tokens = 1 << 24
        public static let saltBytes = 256
        public static let logprobs = 20
    }

    /// A request that generates nothing, to `model`.
    init(model: String?) {
        self.model = model
        maxTokens = 0
    }

    /// The fields that every surface has under the same name.
    ///
    /// - Parameters:
    ///   - maxTokens: what the surface calls the most tokens to generate.
    init(shared fields: inout RequestFields, maxTokens name: String) throws(APIError) {
        model = try fields.string("model")
        maxTokens = try fields.integer(name, in: 0...Limits.tokens)
        minTokens = try fields.integer("min_tokens", in: 0...Limits.tokens) ?? 0
        if let maxTokens, minTokens > maxTokens {
            throw .invalid("min_tokens", "min_tokens is \(minTokens), more than \(name), \(maxTokens)")
        }
        temperature = try fields.number("temperature", in: 0...2)
        topP = try fields.number("top_p", in: 0...1)
        if topP == 0 { throw .invalid("top_p", "top_p is 0, it must be greater") }
        topK = try fields.integer("top_k", in: 0...(1 << 21))
        minP = try fields.number("min_p", in: 0...1)
        repetitionPenalty = try fields.number("repetition_penalty", in: 0.01...100)
        seed = try fields.integer("seed", in: Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) }
        stopTokenIDs = try fields.tokens("stop_token_ids", limit: Limits.stopTokens)
        ignoreEOS = try fields.bool("ignore_eos") ?? false
        priority = try fields.choice("priority", of: PriorityName.self)
        cacheSalt = try fields.cacheSalt()
        stream = try fields.bool("stream") ?? false
    }

    /// The fields of chat completions and completions.
    init(_ fields: inout RequestFields) throws(APIError) {
        let isNewer = fields.value("max_completion_tokens") != nil
        if isNewer { _ = try fields.integer("max_tokens", in: 0...Limits.tokens) }
        try self.init(shared: &fields, maxTokens: isNewer ? "max_completion_tokens" : "max_tokens")
        presencePenalty = try fields.number("presence_penalty", in: -2...2)
        frequencyPenalty = try fields.number("frequency_penalty", in: -2...2)
        logitBias = try Self.biases(&fields)
        if let value = fields.value("stop") { stop = try Self.stops(value.arrayValue ?? [value], "stop") }
        count = try fields.integer("n", in: 1...Limits.count) ?? 1
        try readStreaming(&fields)
        returnsTokens = try fields.bool("return_tokens") ?? false
        try fields.refuseUnsupported()
    }

    private mutating func readStreaming(_ fields: inout RequestFields) throws(APIError) {
        returnsProgress = try fields.bool("return_progress") ?? false
        let usage = try fields.nested("stream_options") { options throws(APIError) in
            try options.refuse("include_obfuscation") { $0.boolValue == false }
            return try options.bool("include_usage") ?? false
        }
        includeUsage = usage ?? false
        if !stream {
            if usage != nil { throw .invalid("stream_options", "stream_options needs stream: true") }
            if returnsProgress { throw .invalid("return_progress", "return_progress needs stream: true") }
        }
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

    /// Stop strings, from the field `name`.
    static func stops(_ list: [JSONValue], _ name: String) throws(APIError) -> [String] {
        guard list.count <= Limits.stops else {
            throw .invalid(name, "\(name) has \(list.count) strings, the limit is \(Limits.stops)")
        }
        var stops: [String] = []
        for (index, element) in list.enumerated() {
            guard let text = element.stringValue, !text.isEmpty, text.utf8.count <= Limits.stopBytes else {
                throw .invalid("\(name)/\(index)", "\(name)/\(index) is not a string of 1 to \(Limits.stopBytes) bytes")
            }
            stops.append(text)
        }
        return stops
    }
}

extension RequestFields {
    /// `cache_salt`; an empty one is none.
    mutating func cacheSalt() throws(APIError) -> String? {
        guard let salt = try string("cache_salt"), !salt.isEmpty else { return nil }
        let limit = GenerationFields.Limits.saltBytes
        guard salt.utf8.count <= limit else {
            throw .invalid("cache_salt", "cache_salt has \(salt.utf8.count) bytes, the limit is \(limit)")
        }
        return salt
    }
}
