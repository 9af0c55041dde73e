// `quern tokenize`.
import ArgumentParser
import Foundation
import Glibc
import QuernJSON
import QuernTokenizer

/// Text to token ids.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn text into token ids.",
        discussion: """
            Text is the argument or standard input, byte for byte and of any size. Spellings of special tokens stay text unless \
            --special is given. Needs no daemon and no weights.

            Examples:
              quern tokenize -m models/qwen.quern "Hello world"
              quern tokenize --tokenizer tokenizer.json --pieces < essay.txt
              quern tokenize -m models/qwen.quern --jsonl < texts.jsonl      {"text": …} in, {"ids": […]} out
            """)

    @Argument(help: "The text.")
    var text: String?

    @OptionGroup var source: TokenizerOptions

    @Flag(help: "Read {\"text\": …} lines, write {\"ids\": […]} lines.")
    var jsonl = false

    @Flag(help: "Recognise special tokens such as <|im_end|> in the text.")
    var special = false

    @Flag(help: "Print one token per line: id and bytes.")
    var pieces = false

    func run() throws {
        let tokenizer = try source.open()
        if jsonl {
            return try mapLines { line in
                guard let text = line["text"]?.stringValue else { throw Failure.general("no \"text\" string") }
                return ["ids": .array(tokenizer.encode(text, parseSpecial: special).map { .int(Int64($0)) })]
            }
        }
        var isFirst = true
        try forEachTextPart(text, tokenizer) { part in
            var ids: [TokenID] = []
            part.withUnsafeBufferPointer { tokenizer.encode(utf8: $0, parseSpecial: special, into: &ids) }
            var line = ""
            for id in ids {
                if pieces {
                    line += "\(id)\t\(String(decoding: tokenizer.bytes(of: id) ?? [], as: UTF8.self).debugDescription)\n"
                } else {
                    line += isFirst ? "\(id)" : " \(id)"
                    isFirst = false
                }
            }
            if try StandardOutput.write(line) == .closed { Glibc.exit(0) }
        }
        if !pieces { _ = try StandardOutput.write("\n") }
    }
}
