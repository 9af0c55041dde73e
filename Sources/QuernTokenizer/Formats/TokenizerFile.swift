// tokenizer.json (Hugging Face tokenizers) to a definition.
//
// Invariant: a component this build does not implement is refused by name with what is supported, never approximated.
import QuernJSON

extension TokenizerDefinition {
    /// - Parameters:
    ///   - tokenizerJSON: the bytes of tokenizer.json.
    ///   - tokenizerConfigJSON: the bytes of tokenizer_config.json, for the bos, eos and pad tokens.
    public init(tokenizerJSON: [UInt8], tokenizerConfigJSON: [UInt8]? = nil) throws(TokenizerError) {
        self.init()
        let file = try TokenizerFile(tokenizerJSON, name: "tokenizer.json")
        try file.requireByteLevel()
        preTokenizer = try file.preTokenizer()
        normalizer = try file.normalizer()
        ignoresMerges = file.model["ignore_merges"]?.boolValue ?? false
        let vocabulary = try file.vocabulary()
        var added = try file.addedTokens()
        if let tokenizerConfigJSON {
            // Newer releases list some added tokens here only.
            let known = Set(added.map(\.id))
            added += try TokenizerFile.configTokens(tokenizerConfigJSON).filter { !known.contains($0.id) }
        }
        try place(vocabulary, added)
        merges = try file.merges(tokens: tokens, kinds: kinds)
        try readConfig(tokenizerConfigJSON, template: file.json["post_processor"])
        try validate()
    }

    /// Puts tokens at their ids. Ids may leave holes, but not so many that a file could make us allocate for nothing.
    private mutating func place(_ vocabulary: Vocabulary, _ added: [AddedToken]) throws(TokenizerError) {
        let largest = max(vocabulary.ids.max() ?? -1, added.lazy.map(\.id).max() ?? -1)
        let count = vocabulary.ids.count + added.count
        guard largest < Limits.tokens, largest < 2 * count + 4096 else {
            throw TokenizerError(field: "vocabulary", detail: "has id \(largest) among \(count) tokens")
        }
        /// Where each id's bytes are: in the vocabulary (>= 0), in `added` (~index), or nowhere.
        var places = [Int?](repeating: nil, count: largest + 1)
        kinds = Array(repeating: .unused, count: largest + 1)
        for (place, id) in vocabulary.ids.enumerated() {
            guard kinds[id] == .unused else { throw TokenizerError(field: "vocabulary", detail: "two tokens have id \(id)") }
            places[id] = place
            kinds[id] = .normal
        }
        for (place, token) in added.enumerated() {
            guard !token.bytes.isEmpty else { throw TokenizerError(field: "added_tokens", detail: "token \(token.id) is empty") }
            places[token.id] = ~place
            kinds[token.id] = token.isSpecial ? .special : .added
        }
        tokens.reserveCapacity(places.count)
        for place in places {
            switch place {
            case .some(0...): tokens.append(vocabulary.tokens[place!])
            case .some: tokens.append(added[~place!].bytes)
            case nil: tokens.append(EmptyCollection())
            }
        }
    }

    private mutating func readConfig(_ bytes: [UInt8]?, template: JSONValue?) throws(TokenizerError) {
        guard let bytes else { return }
        let config = try TokenizerFile.parse(bytes, name: "tokenizer_config.json")
        func token(_ key: String) -> TokenID? {
            let value = config[key]
            guard let text = value?.stringValue ?? value?["content"]?.stringValue else { return nil }
            return tokens.indices.first { kinds[$0] != .unused && tokens[$0].elementsEqual(text.utf8) }.map { TokenID($0) }
        }
        bosTokenID = token("bos_token")
        eosTokenID = token("eos_token")
        padTokenID = token("pad_token")
        // A template that opens with a special token is how Llama 3 adds its BOS.
        let opening = template?["single"]?.arrayValue?.first?["SpecialToken"]?["id"]?.stringValue
        addsBOS = bosTokenID != nil && (config["add_bos_token"]?.boolValue ?? (opening != nil))
    }
}

/// Typed access to the parts of tokenizer.json.
private struct TokenizerFile {
    let json: JSONValue
    let model: JSONValue

    static func parse(_ bytes: [UInt8], name: String) throws(TokenizerError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: bytes, limits: JSONLimits(maxDepth: 64, maxByteCount: 128 << 20))
        } catch {
            throw TokenizerError(field: name, detail: error.description)
        }
    }

    init(_ bytes: [UInt8], name: String) throws(TokenizerError) {
        json = try Self.parse(bytes, name: name)
        guard let model = json["model"], model.objectValue != nil else {
            throw TokenizerError(field: "/model", detail: "is missing from \(name)")
        }
        self.model = model
    }

    func requireByteLevel() throws(TokenizerError) {
        let type = model["type"]?.stringValue ?? "absent"
        guard type == "BPE" else { throw TokenizerError(field: "/model/type", detail: "is \"\(type.prefix(64))\"; supported: BPE") }
        for (key, allowed) in [("byte_fallback", false), ("fuse_unk", false)] where model[key]?.boolValue ?? allowed != allowed {
            throw TokenizerError(field: "/model/\(key)", detail: "is true; supported: false")
        }
        let decoder = json["decoder"]?["type"]?.stringValue
        guard decoder == nil || decoder == "ByteLevel" else {
            throw TokenizerError(field: "/decoder/type", detail: "is \"\(decoder ?? "")\"; supported: ByteLevel")
        }
    }

    func normalizer() throws(TokenizerError) -> NormalizerKind {
        guard let value = json["normalizer"], !value.isNull else { return .none }
        let steps = value["type"]?.stringValue == "Sequence" ? value["normalizers"]?.arrayValue ?? [] : [value]
        for step in steps where step["type"]?.stringValue != "NFC" {
            throw TokenizerError(
                field: "/normalizer", detail: "has type \"\(step["type"]?.stringValue?.prefix(64) ?? "")\"; supported: NFC")
        }
        return steps.isEmpty ? .none : .nfc
    }

    func preTokenizer() throws(TokenizerError) -> PreTokenizerKind {
        let value = json["pre_tokenizer"] ?? .null
        let steps = value["type"]?.stringValue == "Sequence" ? value["pretokenizers"]?.arrayValue ?? [] : [value]
        let types = steps.map { $0["type"]?.stringValue ?? "absent" }
        guard steps.last?["type"]?.stringValue == "ByteLevel", steps.last?["add_prefix_space"]?.boolValue != true else {
            throw TokenizerError(
                field: "/pre_tokenizer", detail: "is \(types); supported: a ByteLevel last, without add_prefix_space")
        }
        let usesPattern = steps.last?["use_regex"]?.boolValue ?? true
        if types == ["ByteLevel"], usesPattern { return .gpt2 }
        if types == ["Digits", "ByteLevel"], usesPattern, steps[0]["individual_digits"]?.boolValue == true { return .smollm2 }
        if types == ["Split", "ByteLevel"], !usesPattern, let pattern = steps[0]["pattern"]?["Regex"]?.stringValue {
            return try SplitPattern.kind(of: pattern)
        }
        throw TokenizerError(
            field: "/pre_tokenizer",
            detail: "is \(types); supported: Split + ByteLevel, Digits + ByteLevel, ByteLevel")
    }

    func vocabulary() throws(TokenizerError) -> Vocabulary {
        guard let members = model["vocab"]?.objectValue?.members else {
            throw TokenizerError(field: "/model/vocab", detail: "is not an object")
        }
        var list = Vocabulary()
        list.tokens.reserveCapacity(members.count)
        list.ids.reserveCapacity(members.count)
        var bytes: [UInt8] = []
        for member in members {
            guard let wide = member.value.intValue, let id = Int(exactly: wide), id >= 0 else {
                throw TokenizerError(field: "/model/vocab/\(member.key.prefix(64))", detail: "is not a token id")
            }
            bytes.removeAll(keepingCapacity: true)
            // Tokens outside the byte alphabet are spelled literally; only added tokens are.
            if !ByteLevel.decode(member.key.utf8, into: &bytes) { bytes.append(contentsOf: member.key.utf8) }
            list.tokens.append(bytes)
            list.ids.append(id)
        }
        return list
    }

    func addedTokens() throws(TokenizerError) -> [AddedToken] {
        var list: [AddedToken] = []
        for (index, value) in (json["added_tokens"]?.arrayValue ?? []).enumerated() {
            let field = "/added_tokens/\(index)"
            list.append(try Self.addedToken(value, id: value["id"]?.intValue, field: field))
        }
        return list
    }

    /// `added_tokens_decoder` of tokenizer_config.json: an object keyed by id.
    static func configTokens(_ bytes: [UInt8]) throws(TokenizerError) -> [AddedToken] {
        let config = try parse(bytes, name: "tokenizer_config.json")
        var list: [AddedToken] = []
        for member in config["added_tokens_decoder"]?.objectValue?.members ?? [] {
            let field = "tokenizer_config.json /added_tokens_decoder/\(member.key.prefix(64))"
            list.append(try addedToken(member.value, id: Int64(member.key), field: field))
        }
        return list
    }

    private static func addedToken(
        _ value: JSONValue, id: Int64?, field: String
    ) throws(TokenizerError) -> AddedToken {
        guard let id = id.flatMap({ Int(exactly: $0) }), id >= 0, let text = value["content"]?.stringValue
        else { throw TokenizerError(field: field, detail: "lacks id or content") }
        for key in ["lstrip", "rstrip", "single_word", "normalized"] where value[key]?.boolValue == true {
            throw TokenizerError(field: "\(field)/\(key)", detail: "is true; supported: false")
        }
        return AddedToken(id: id, bytes: Array(text.utf8), isSpecial: value["special"]?.boolValue ?? false)
    }

    func merges(tokens: TokenList, kinds: [TokenKind]) throws(TokenizerError) -> [Merge] {
        guard let values = model["merges"]?.arrayValue else { throw TokenizerError(field: "/model/merges", detail: "is not a list") }
        guard values.count <= TokenizerDefinition.Limits.merges else {
            throw TokenizerError(field: "/model/merges", detail: "has \(values.count), the limit is \(TokenizerDefinition.Limits.merges)")
        }
        var builder = MergeBuilder(tokens: tokens, kinds: kinds)
        var merges: [Merge] = []
        merges.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            merges.append(try Self.merge(value, index, &builder))
        }
        return merges
    }

    /// "left right", or ["left", "right"] in files of newer releases.
    private static func merge(_ value: JSONValue, _ index: Int, _ builder: inout MergeBuilder) throws(TokenizerError) -> Merge {
        if let text = value.stringValue {
            return try Array(text.utf8).withUnsafeBufferPointer { bytes throws(TokenizerError) in
                try builder.merge(bytes, index: index)
            }
        }
        guard let list = value.arrayValue, list.count == 2, let left = list[0].stringValue, let right = list[1].stringValue
        else { throw TokenizerError(field: "/model/merges/\(index)", detail: "is not a pair of tokens") }
        return try Array(left.utf8).withUnsafeBufferPointer { left throws(TokenizerError) in
            try Array(right.utf8).withUnsafeBufferPointer { right throws(TokenizerError) in
                try builder.merge(left, right, index: index)
            }
        }
    }
}

/// The model's tokens in the order of the file.
private struct Vocabulary {
    var tokens = TokenList()
    var ids: [Int] = []
}

private struct AddedToken {
    var id: Int
    var bytes: [UInt8]
    var isSpecial: Bool
}
