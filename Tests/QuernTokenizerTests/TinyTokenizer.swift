// A tokenizer small enough to write in a test: all bytes, a few merges, added tokens as asked for.
import QuernJSON
import QuernTokenizer

struct TinyTokenizer {
    var merges: [(String, String)] = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o")]
    /// Content and whether it is special; ids follow the vocabulary.
    var added: [(text: String, isSpecial: Bool)] = []
    var normalizer: JSONValue = .null
    var pattern: String?
    /// Changes to the vocabulary, applied last.
    var vocabularyEdits: [(key: String, id: JSONValue)] = []

    /// GPT-2's spelling of a byte.
    static func spell(_ byte: UInt8) -> String {
        func isPlain(_ byte: Int) -> Bool { (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE }
        if isPlain(Int(byte)) { return String(Unicode.Scalar(byte)) }
        let place = (0..<Int(byte)).count { !isPlain($0) }
        return String(Unicode.Scalar(UInt32(0x100 + place))!)
    }

    var json: JSONValue {
        var vocabulary = JSONObject((0...255).map { .init(key: Self.spell($0), value: .int(Int64($0))) })
        for (index, merge) in merges.enumerated() where vocabulary[merge.0 + merge.1] == nil {
            vocabulary.append(merge.0 + merge.1, .int(Int64(256 + index)))
        }
        let next = Int64(vocabulary.count)
        for edit in vocabularyEdits { vocabulary.append(edit.key, edit.id) }
        let split: JSONValue = ["type": "Split", "pattern": ["Regex": .string(pattern ?? "")], "behavior": "Isolated"]
        let byteLevel: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": .bool(pattern == nil)]
        return [
            "added_tokens": .array(
                added.enumerated().map {
                    ["id": .int(next + Int64($0)), "content": .string($1.text), "special": .bool($1.isSpecial)]
                }),
            "normalizer": normalizer,
            "pre_tokenizer": pattern == nil ? byteLevel : ["type": "Sequence", "pretokenizers": .array([split, byteLevel])],
            "model": [
                "type": "BPE", "vocab": .object(vocabulary),
                "merges": .array(merges.map { .array([.string($0.0), .string($0.1)]) }),
            ],
        ]
    }

    func definition() throws -> TokenizerDefinition { try TokenizerDefinition(tokenizerJSON: Array(json.serialized().utf8)) }
    func make() throws -> Tokenizer { try Tokenizer(try definition()) }
}
