// `quern detokenize`.
import ArgumentParser
import Foundation
import QuernJSON
import QuernTokenizer

/// Token ids to text.
struct Detokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn token ids into text.",
        discussion: """
            Ids come from the argument or standard input, separated by white space or commas; the text is written byte for byte.

            Examples:
              quern detokenize -m models/qwen.quern "9707 1879"
              quern tokenize -m models/qwen.quern < a.txt | quern detokenize -m models/qwen.quern
              quern detokenize -m models/qwen.quern --jsonl < ids.jsonl      {"ids": […]} in, {"text": …} out
            """)

    @Argument(help: "Ids separated by spaces or commas.")
    var ids: String?

    @OptionGroup var source: TokenizerOptions

    @Flag(help: "Read {\"ids\": […]} lines, write {\"text\": …} lines.")
    var jsonl = false

    @Flag(help: "Leave out special tokens.")
    var skipSpecial = false

    func run() throws {
        let tokenizer = try source.open()
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
        if let ids { return try write(Array(ids.utf8), tokenizer) }
        var input = StandardInput()
        while !input.isAtEnd {
            try input.fill()
            // Up to the last separator, so that no number is cut.
            guard !input.isAtEnd, let end = input.pending.lastIndex(where: Self.isSeparator) else { continue }
            try write(input.take(end + 1), tokenizer)
        }
        try write(input.pending, tokenizer)
    }

    private static func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ",") || byte <= 0x20 }

    private func write(_ text: [UInt8], _ tokenizer: Tokenizer) throws {
        let ids = try text.split(whereSeparator: Self.isSeparator).map { word in
            let spelled = String(decoding: word, as: UTF8.self)
            guard let id = TokenID(spelled) else { throw Failure.usage("\"\(spelled.prefix(32))\" is not a token id") }
            return id
        }
        _ = try StandardOutput.write(try tokenizer.decode(ids, skipSpecialTokens: skipSpecial))
    }
}
