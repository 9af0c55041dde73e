// Log-probabilities on the wire: the shape of chat completions, and the older one of completions.
import QuernJSON

/// One token of a text, and what else could have stood there.
public struct LogprobEntry: Sendable {
    /// A token and its natural log-probability.
    public struct Candidate: Sendable {
        public var bytes: [UInt8]
        public var logprob: Double

        public init(bytes: [UInt8], logprob: Double) {
            self.bytes = bytes
            self.logprob = logprob
        }

        /// The text of the token; bytes that are not text on their own are spelled out, as OpenAI does.
        var text: String {
            if let text = String(validating: bytes, as: UTF8.self) { return text }
            return "bytes:" + bytes.map { byte in
                let digits = String(byte, radix: 16)
                return "\\x" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
        }
    }

    public var bytes: [UInt8]
    /// Nil for the first token of a prompt, which nothing predicts.
    public var logprob: Double?
    /// The likeliest tokens, best first.
    public var top: [Candidate]
    /// Where the token's text begins, in Unicode scalars of the whole text.
    public var offset: Int

    public init(bytes: [UInt8], logprob: Double?, top: [Candidate], offset: Int) {
        self.bytes = bytes
        self.logprob = logprob
        self.top = top
        self.offset = offset
    }
}

public enum Logprobs {
    public static func chat(_ entries: [LogprobEntry]) -> JSONValue {
        func object(_ candidate: LogprobEntry.Candidate) -> JSONObject {
            var json = JSONObject()
            json.append("token", .string(candidate.text))
            json.append("logprob", .double(candidate.logprob))
            json.append("bytes", .array(candidate.bytes.map { .int(Int64($0)) }))
            return json
        }
        let content: [JSONValue] = entries.map { entry in
            var json = object(LogprobEntry.Candidate(bytes: entry.bytes, logprob: entry.logprob ?? 0))
            json.append("top_logprobs", .array(entry.top.map { .object(object($0)) }))
            return .object(json)
        }
        return ["content": .array(content), "refusal": nil]
    }

    /// Parallel lists. A token's alternatives include the token itself.
    public static func completion(_ entries: [LogprobEntry]) -> JSONValue {
        let top: [JSONValue] = entries.map { entry in
            guard let logprob = entry.logprob else { return .null }
            var json = JSONObject()
            for candidate in entry.top + [LogprobEntry.Candidate(bytes: entry.bytes, logprob: logprob)]
            where json[candidate.text] == nil { json.append(candidate.text, .double(candidate.logprob)) }
            return .object(json)
        }
        return [
            "tokens": .array(entries.map { .string(LogprobEntry.Candidate(bytes: $0.bytes, logprob: 0).text) }),
            "token_logprobs": .array(entries.map { $0.logprob.map { .double($0) } ?? .null }),
            "top_logprobs": .array(top),
            "text_offset": .array(entries.map { .int(Int64($0.offset)) }),
        ]
    }
}
