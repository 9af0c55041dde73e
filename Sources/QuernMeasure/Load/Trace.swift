// Recorded traffic, to be replayed: Azure's CSV (TIMESTAMP,ContextTokens,GeneratedTokens) and Mooncake's JSON lines
// (timestamp in ms, input_length, output_length, hash_ids of 512-token blocks).
//
// Read here and not by a CSV package: the fields are never quoted, and an error must name the line. Invariant: offsets
// ascend from 0 and lengths are in `LengthDistribution.bounds`, whatever the file says.
import QuernJSON

public struct Trace: Sendable, Equatable {
    public private(set) var requests: [PlannedRequest]

    static let mooncakeBlock = 512
    static let maxRequests = 10_000_000

    /// - Throws: naming the line that cannot be read.
    public init(parsing bytes: [UInt8]) throws(MeasureError) {
        requests = []
        let isJSON = bytes.first == UInt8(ascii: "{")
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if line.isEmpty { continue }
            if !isJSON, index == 0 {
                guard line.elementsEqual("TIMESTAMP,ContextTokens,GeneratedTokens".utf8) else {
                    throw MeasureError("line 1 is neither a JSON object nor the header TIMESTAMP,ContextTokens,GeneratedTokens")
                }
                continue
            }
            guard let request = isJSON ? Self.mooncake(line) : Self.azure(line), requests.count < Self.maxRequests else {
                throw MeasureError("line \(index + 1) cannot be read: \"\(String(decoding: line.prefix(80), as: UTF8.self))\"")
            }
            requests.append(request)
        }
        guard let start = requests.map(\.offset).min() else { throw MeasureError("the trace has no requests") }
        for index in requests.indices { requests[index].offset -= start }
        requests.sort { $0.offset < $1.offset }
    }

    private static func azure(_ line: ArraySlice<UInt8>) -> PlannedRequest? {
        let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard fields.count == 3, let time = seconds(fields[0]), let prompt = Int(fields[1]), let output = Int(fields[2]) else { return nil }
        return planned(offset: time, prompt: prompt, output: output)
    }

    private static func mooncake(_ line: ArraySlice<UInt8>) -> PlannedRequest? {
        guard let json = try? JSONValue(parsing: Array(line)), let time = json["timestamp"]?.doubleValue,
            let prompt = json["input_length"]?.intValue, let output = json["output_length"]?.intValue,
            var request = planned(offset: time / 1000, prompt: Int(prompt), output: Int(output))
        else { return nil }
        request.blocks = (json["hash_ids"]?.arrayValue ?? []).compactMap(\.intValue)
        request.blockTokens = mooncakeBlock
        return request
    }

    private static func planned(offset: Double, prompt: Int, output: Int) -> PlannedRequest? {
        guard offset.isFinite, abs(offset) < 1e12, prompt >= 0, output >= 0 else { return nil }
        let bounds = LengthDistribution.bounds
        var request = PlannedRequest(
            promptTokens: min(max(prompt, bounds.lowerBound), bounds.upperBound),
            outputTokens: min(max(output, bounds.lowerBound), bounds.upperBound))
        request.offset = offset
        return request
    }

    /// Seconds since the epoch of "2023-11-16 18:15:46.6805900".
    static func seconds(_ text: String) -> Double? {
        let parts = text.split(separator: " ")
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-").compactMap { Int($0) }
        let time = parts[1].split(separator: ":").compactMap { Double($0) }
        guard date.count == 3, time.count == 3, (1970...9999).contains(date[0]), (1...12).contains(date[1]), (1...31).contains(date[2]),
            (0..<24).contains(time[0]), (0..<60).contains(time[1]), (0..<61).contains(time[2])
        else { return nil }
        // Days since 1970 by counting years that begin in March, so that the leap day is the last.
        let year = date[1] > 2 ? date[0] : date[0] - 1
        let month = (date[1] + 9) % 12
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + date[2] - 1 - 719_468
        return Double(days) * 86_400 + time[0] * 3600 + time[1] * 60 + time[2]
    }

    /// A part of the trace for a smaller machine.
    ///
    /// - Parameters:
    ///   - speed: how many times as fast the requests arrive.
    ///   - lengths: factor on the tokens of prompts, answers and shared blocks.
    ///   - seconds: requests that arrive later, after `speed` is applied, are left out.
    public func scaled(speed: Double, lengths: Double, seconds: Double = .infinity) -> [PlannedRequest] {
        func scale(_ length: Int) -> Int { max(1, Int(min(Double(length) * lengths, Double(LengthDistribution.bounds.upperBound)))) }
        return requests.compactMap { request in
            var request = request
            request.offset /= speed
            guard request.offset <= seconds else { return nil }
            request.promptTokens = scale(request.promptTokens)
            request.outputTokens = scale(request.outputTokens)
            if request.blockTokens > 0 { request.blockTokens = scale(request.blockTokens) }
            return request
        }
    }
}
