import ArgumentParser
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernTokenizer

/// Opens the tokenizer of a model file, or a bare tokenizer.json.
func openTokenizer(_ model: String?, _ settings: Settings) throws -> Tokenizer {
    let path = try ModelLocator.resolve(model, settings)
    if path.hasSuffix(".json") {
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure.missing("\(path): cannot be read") }
        return try Tokenizer(try TokenizerDefinition(tokenizerJSON: [UInt8](data)))
    }
    guard let definition = try openCheckpoint(path: path).tokenizerDefinition() else {
        throw Failure(status: 65, message: "\(path): has no tokenizer")
    }
    return try Tokenizer(definition)
}

/// The lines of standard input, without their newlines.
func inputLines() -> [[UInt8]] {
    var lines = [UInt8](FileHandle.standardInput.readDataToEndOfFile())
        .split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
}

/// Handles JSONL input line by line: answers in order, bad lines reported and counted.
func mapLines(_ body: (JSONValue) throws -> JSONValue) throws {
    var failed = false
    for (index, line) in inputLines().enumerated() {
        let answer: JSONValue
        do {
            answer = try body(try JSONValue(parsing: line))
        } catch {
            failed = true
            Terminal.note("quern: line \(index + 1): \((error as? Failure)?.message ?? "\(error)")")
            answer = ["error": .string((error as? Failure)?.message ?? "\(error)")]
        }
        if try StandardOutput.write(answer.serialized() + "\n") == .closed { return }
    }
    if failed { throw Failure.partial }
}

/// Text to token ids.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn text into token ids.",
        discussion: """
            Text is the argument or standard input, byte for byte. Spellings of special tokens stay text unless --special is given.

            Examples:
              quern tokenize -m models/qwen.quern "Hello world"
              quern tokenize -m tokenizer.json --pieces < essay.txt
              quern tokenize -m models/qwen.quern --jsonl < texts.jsonl      {"text": …} in, {"ids": […]} out
            """)

    @Argument(help: "The text.")
    var text: String?

    @Option(name: .shortAndLong, help: "A model with a tokenizer, or a tokenizer.json.")
    var model: String?

    @OptionGroup var configuration: ConfigurationOptions

    @Flag(help: "Read {\"text\": …} lines, write {\"ids\": […]} lines.")
    var jsonl = false

    @Flag(help: "Recognise special tokens such as <|im_end|> in the text.")
    var special = false

    @Flag(help: "Print one token per line: id and bytes.")
    var pieces = false

    func run() throws {
        let tokenizer = try openTokenizer(model, try configuration.settings())
        if jsonl {
            return try mapLines { line in
                guard let text = line["text"]?.stringValue else { throw Failure.general("no \"text\" string") }
                return ["ids": .array(tokenizer.encode(text, parseSpecial: special).map { .int(Int64($0)) })]
            }
        }
        var ids: [TokenID] = []
        let bytes = text.map { Array($0.utf8) } ?? [UInt8](FileHandle.standardInput.readDataToEndOfFile())
        bytes.withUnsafeBufferPointer { tokenizer.encode(utf8: $0, parseSpecial: special, into: &ids) }
        let lines = pieces
            ? ids.map { "\($0)\t\(String(decoding: tokenizer.bytes(of: $0) ?? [], as: UTF8.self).debugDescription)" }
            : [ids.map(String.init).joined(separator: " ")]
        _ = try StandardOutput.write(lines.map { $0 + "\n" }.joined())
    }
}

/// Token ids to text.
struct Detokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn token ids into text.",
        discussion: """
            Examples:
              quern detokenize -m models/qwen.quern "9707 1879"
              quern tokenize -m models/qwen.quern < a.txt | quern detokenize -m models/qwen.quern
              quern detokenize -m models/qwen.quern --jsonl < ids.jsonl      {"ids": […]} in, {"text": …} out
            """)

    @Argument(help: "Ids separated by spaces or commas.")
    var ids: String?

    @Option(name: .shortAndLong, help: "A model with a tokenizer, or a tokenizer.json.")
    var model: String?

    @OptionGroup var configuration: ConfigurationOptions

    @Flag(help: "Read {\"ids\": […]} lines, write {\"text\": …} lines.")
    var jsonl = false

    @Flag(help: "Leave out special tokens.")
    var skipSpecial = false

    func run() throws {
        let tokenizer = try openTokenizer(model, try configuration.settings())
        if jsonl {
            return try mapLines { line in
                guard let list = line["ids"]?.arrayValue else { throw Failure.general("no \"ids\" list") }
                let ids = try list.map { value in
                    guard let wide = value.intValue, let id = TokenID(exactly: wide) else { throw Failure.general("an id is not an integer") }
                    return id
                }
                return ["text": .string(String(decoding: try tokenizer.decode(ids, skipSpecialTokens: skipSpecial), as: UTF8.self))]
            }
        }
        let text = ids ?? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
        let parsed = try text.split(whereSeparator: { $0.isWhitespace || $0 == "," }).map { word in
            guard let id = TokenID(word) else { throw Failure.usage("\"\(word.prefix(32))\" is not a token id") }
            return id
        }
        _ = try StandardOutput.write(try tokenizer.decode(parsed, skipSpecialTokens: skipSpecial))
    }
}
