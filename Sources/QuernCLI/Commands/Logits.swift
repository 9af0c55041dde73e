import ArgumentParser
import Foundation
import Quern
import QuernEngine
import QuernJSON

/// Raw logits, for checking against a reference.
struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the logits of a token sequence (needs no tokenizer).",
        discussion: """
            Examples:
              quern logits models/qwen.quern --tokens 1,2,3 --positions last --top 5
              quern logits ./tiny-qwen2 --tokens 1,2,3 --precision f32 --positions all --json
            """)

    @Argument(help: "A model.")
    var model: String

    @Option(help: "Token ids separated by commas.")
    var tokens: String

    @Option(help: "all, last, or a list such as 0,4,7.")
    var positions = "last"

    @Option(help: "Only the K largest logits of each position, with their ids.")
    var top: Int?

    @Flag(help: "Print JSON (otherwise one line per position).")
    var json = false

    @OptionGroup var loading: LoadingOptions

    func run() throws {
        let ids = try integers(tokens, "--tokens").map { number in
            guard let id = TokenID(exactly: number) else { throw Failure.usage("--tokens: \(number) is not a token id") }
            return id
        }
        let wanted: Set<Int>
        switch positions {
        case "all": wanted = Set(ids.indices)
        case "last": wanted = Set([ids.count - 1])
        default: wanted = Set(try integers(positions, "--positions"))
        }
        guard wanted.allSatisfy({ ids.indices.contains($0) }) else {
            throw Failure.usage("--positions names a position outside 0...\(ids.count - 1)")
        }
        if let top, top < 1 { throw Failure.usage("--top is \(top), it must be at least 1") }
        let settings = try loading.configuration.settings()
        let loaded = try loading.load(try ModelLocator.resolve(model, settings), settings)
        let rows = try loaded.logits(tokens: ids, positions: wanted)
        let answers = zip(wanted.sorted(), rows).map { position, row in describe(position, row) }
        let text = json
            ? (["model": .string(loaded.info.id), "positions": .array(answers)] as JSONValue).serialized()
            : answers.map { $0.serialized() }.joined(separator: "\n")
        _ = try StandardOutput.write(text + "\n")
    }

    private func integers(_ text: String, _ option: String) throws -> [Int] {
        let numbers = text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map { Int($0) }
        guard !numbers.isEmpty, numbers.allSatisfy({ $0 != nil }) else { throw Failure.usage("\(option) is not a list of integers") }
        return numbers.compactMap { $0 }
    }

    private func describe(_ position: Int, _ row: [Float]) -> JSONValue {
        guard let top else {
            return ["position": .int(Int64(position)), "logits": .array(row.map { .double(Double($0)) })]
        }
        let best = row.indices.sorted { row[$0] > row[$1] || (row[$0] == row[$1] && $0 < $1) }.prefix(top)
        return [
            "position": .int(Int64(position)),
            "top": .array(best.map { .array([.int(Int64($0)), .double(Double(row[$0]))]) }),
        ]
    }
}
