// What the tokenizer commands share: finding a tokenizer, reading standard input of any size.
import ArgumentParser
import Foundation
import Glibc
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernTokenizer

struct TokenizerOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "A model with a tokenizer (GGUF, packed, or a folder).")
    var model: String?

    @Option(help: "A tokenizer.json, or the folder that holds one; no model is needed.")
    var tokenizer: String?

    @OptionGroup var configuration: ConfigurationOptions

    /// Opens the tokenizer without touching weights.
    func open() throws -> Tokenizer {
        if model != nil && tokenizer != nil { throw Failure.usage("--model and --tokenizer exclude each other") }
        if let tokenizer { return try Self.openFile(tokenizer) }
        let path = try ModelLocator.resolve(model, try configuration.settings())
        if path.hasSuffix(".json") { return try Self.openFile(path) }
        guard let definition = try openCheckpoint(path: path).tokenizerDefinition() else {
            throw Failure(status: 65, message: "\(path): has no tokenizer")
        }
        return try Tokenizer(definition)
    }

    private static func openFile(_ path: String) throws -> Tokenizer {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { throw Failure.missing("\(path): does not exist") }
        let file = isFolder.boolValue ? path + "/tokenizer.json" : path
        guard let json = FileManager.default.contents(atPath: file) else { throw Failure.missing("\(file): cannot be read") }
        let config = FileManager.default.contents(atPath: (file as NSString).deletingLastPathComponent + "/tokenizer_config.json")
        return try Tokenizer(
            try TokenizerDefinition(tokenizerJSON: [UInt8](json), tokenizerConfigJSON: config.map { [UInt8]($0) }))
    }
}

/// Standard input, a piece at a time.
struct StandardInput {
    private static let chunk = 1 << 20
    private(set) var pending: [UInt8] = []
    private(set) var isAtEnd = false

    /// Reads more behind `pending`.
    mutating func fill() throws {
        let start = pending.count
        pending.append(contentsOf: repeatElement(0, count: Self.chunk))
        let count = pending.withUnsafeMutableBytes { read(0, $0.baseAddress! + start, Self.chunk) }
        pending.removeLast(Self.chunk - max(0, count))
        if count < 0, errno != EINTR { throw Failure(status: 74, message: "standard input: \(String(cString: strerror(errno)))") }
        isAtEnd = count == 0
    }

    /// Takes the first `count` pending bytes.
    mutating func take(_ count: Int) -> [UInt8] {
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }

    /// Calls `body` with every line, without its newline. Memory is that of the longest line.
    static func forEachLine(_ body: ([UInt8]) throws -> Void) throws {
        var input = StandardInput()
        var searched = 0
        while !input.isAtEnd {
            try input.fill()
            while let newline = input.pending[searched...].firstIndex(of: 0x0A) {
                try body(Array(input.take(newline + 1).dropLast()))
                searched = 0
            }
            searched = input.pending.count
        }
        if !input.pending.isEmpty { try body(input.pending) }
    }
}

/// Handles JSONL input line by line: answers in order, bad lines reported and counted.
func mapLines(_ body: (JSONValue) throws -> JSONValue) throws {
    var failed = false
    var number = 0
    try StandardInput.forEachLine { line in
        number += 1
        let answer: JSONValue
        do {
            answer = try body(try JSONValue(parsing: line))
        } catch {
            failed = true
            let message = (error as? Failure)?.message ?? "\(error)"
            Terminal.note("quern: line \(number): \(message)")
            answer = ["error": .string(message)]
        }
        if try StandardOutput.write(answer.serialized() + "\n") == .closed { Glibc.exit(failed ? Failure.partial.status : 0) }
    }
    if failed { throw Failure.partial }
}

/// Text from the argument, or standard input in parts that encode as the whole would.
func forEachTextPart(_ argument: String?, _ tokenizer: Tokenizer, _ body: ([UInt8]) throws -> Void) throws {
    if let argument { return try body(Array(argument.utf8)) }
    var input = StandardInput()
    while !input.isAtEnd {
        try input.fill()
        guard !input.isAtEnd, let cut = input.pending.withUnsafeBufferPointer({ tokenizer.lastCut(in: $0) }) else { continue }
        try body(input.take(cut))
    }
    try body(input.pending)
}
