// `quern count`.
import ArgumentParser
import Foundation
import QuernJSON
import QuernTokenizer

/// Number of tokens of a text.
struct Count: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Count the tokens of a text.",
        discussion: """
            Examples:
              quern count -m models/qwen.quern < essay.txt
              quern count --tokenizer tokenizer.json --jsonl < texts.jsonl      {"text": …} in, {"count": …} out
            """)

    @Argument(help: "The text.")
    var text: String?

    @OptionGroup var source: TokenizerOptions

    @Flag(help: "Read {\"text\": …} lines, write {\"count\": …} lines.")
    var jsonl = false

    @Flag(help: "Recognise special tokens such as <|im_end|> in the text.")
    var special = false

    func run() throws {
        let tokenizer = try source.open()
        func count(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBufferPointer { tokenizer.count(utf8: $0, parseSpecial: special) } }
        if jsonl {
            return try mapLines { line in
                guard let text = line["text"]?.stringValue else { throw Failure.general("no \"text\" string") }
                return ["count": .int(Int64(count(Array(text.utf8))))]
            }
        }
        var total = 0
        try forEachTextPart(text, tokenizer) { total += count($0) }
        _ = try StandardOutput.write("\(total)\n")
    }
}
