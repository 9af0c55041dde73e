// Where the engine's fixtures are, and how the tests read them.
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernJSON

enum Fixtures {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    static func checkpoint(_ name: String) throws -> any Checkpoint {
        try openCheckpoint(path: root.appending(path: name).path)
    }

    static func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: [UInt8](Data(contentsOf: root.appending(path: path))))
    }

    static func engine(_ name: String, precision: Precision, threads: Int = 2) throws -> Engine {
        var options = EngineOptions()
        options.precision = precision
        options.threads = threads
        return try Engine(try checkpoint(name), options: options)
    }
}

extension JSONValue {
    var tokens: [TokenID] { (arrayValue ?? []).compactMap { $0.intValue.map { TokenID($0) } } }
    var floats: [Float] { (arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } } }
}

/// Greedy completion of `prompt` through the scheduler.
func complete(_ engine: Engine, _ prompt: [TokenID], count: Int, sampling: SamplingParameters? = nil) async throws
    -> [TokenID]
{
    var parameters = sampling ?? SamplingParameters()
    if sampling == nil { parameters.temperature = 0 }
    let request = GenerationRequest(prompt: prompt, maxTokens: count, stopTokens: [], sampling: parameters)
    var tokens: [TokenID] = []
    for await event in try engine.submit(request).events {
        if case .token(let token) = event { tokens.append(token) }
    }
    return tokens
}
