// Sampling defaults a checkpoint ships with (generation_config.json). Absent values stay absent.
import QuernJSON

public struct GenerationDefaults: Sendable, Equatable {
    public var temperature: Float?
    public var topK: Int?
    public var topP: Float?
    public var minP: Float?
    public var repetitionPenalty: Float?

    public init() {}

    public init(_ json: JSONValue) throws(ConfigError) {
        let fields = try ConfigFields(json)
        temperature = try fields.optionalNumber("temperature", in: 0...100).map { Float($0) }
        topK = try fields.optionalInteger("top_k", in: 0...(1 << 21))
        topP = try fields.optionalNumber("top_p", in: 0...1).map { Float($0) }
        minP = try fields.optionalNumber("min_p", in: 0...1).map { Float($0) }
        repetitionPenalty = try fields.optionalNumber("repetition_penalty", in: 0.01...100).map { Float($0) }
        if try fields.optionalBool("do_sample") == false { temperature = 0 }
    }

    public func serialized() -> JSONValue {
        var object = JSONObject()
        if let temperature { object.append("temperature", .double(Double(temperature))) }
        if let topK { object.append("top_k", .int(Int64(topK))) }
        if let topP { object.append("top_p", .double(Double(topP))) }
        if let minP { object.append("min_p", .double(Double(minP))) }
        if let repetitionPenalty { object.append("repetition_penalty", .double(Double(repetitionPenalty))) }
        return .object(object)
    }
}
