// Fields of OpenAI, vLLM and llama.cpp clients that change nothing here, or that this server does not have.
//
// Invariant: a field is accepted and not used only when the answer cannot depend on it; everything else is refused by name, unless
// it has the value that means nothing.
import QuernJSON

extension RequestFields {
    /// Labels for the sender's own books.
    mutating func readLabels() throws(APIError) {
        for key in ["user", "safety_identifier", "prompt_cache_key"] { _ = try string(key) }
        _ = try bool("store")
        if let metadata = value("metadata"), metadata.objectValue == nil { throw wrongType("metadata", metadata, "an object") }
    }

    mutating func refuseUnsupported() throws(APIError) {
        try readLabels()
        try refuse("service_tier", because: "names a tier of another service; use priority") {
            ["auto", "default"].contains($0.stringValue)
        }
        try refuse("best_of") { $0 == 1 }
        try refuse("use_beam_search") { $0 == false }
        try refuse("cache_prompt", because: "cannot be turned off; use cache_salt to share nothing") { $0 == true }
        try refuse("timings_per_token") { $0 == false }
        for key in [
            "allowed_token_ids", "bad_words", "id_slot", "keep_alive", "prompt_embeds",
        ] { try refuse(key) }
    }

    mutating func refuseUnsupportedInChat() throws(APIError) {
        try refuse("functions", because: "is the older name; use tools") { $0 == [] }
        try refuse("function_call", because: "is the older name; use tool_choice") { ["none", "auto"].contains($0.stringValue) }
        try refuse("modalities") { $0 == ["text"] }
        try refuse("chat_template", because: "cannot come with a request; the model's own is used")
        for key in ["audio", "prediction", "verbosity", "web_search_options"] { try refuse(key) }
    }
}
