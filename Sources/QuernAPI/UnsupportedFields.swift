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
        try refuse("response_format") { $0["type"] == "text" }
        try refuse("cache_prompt", because: "cannot be turned off; use cache_salt to share nothing") { $0 == true }
        try refuse("timings_per_token") { $0 == false }
        for key in [
            "allowed_token_ids", "bad_words", "grammar", "json_schema", "guided_json", "guided_regex", "guided_choice",
            "guided_grammar", "structured_outputs", "thinking", "thinking_token_budget", "id_slot", "keep_alive", "prompt_embeds",
        ] { try refuse(key) }
    }

    mutating func refuseUnsupportedInChat() throws(APIError) {
        for key in ["tools", "functions"] { try refuse(key) { $0 == [] } }
        for key in ["tool_choice", "function_call"] { try refuse(key) { ["none", "auto"].contains($0.stringValue) } }
        try refuse("parallel_tool_calls") { $0.boolValue != nil }
        try refuse("modalities") { $0 == ["text"] }
        try refuse("reasoning_effort", because: "is not supported by this server; use chat_template_kwargs")
        try refuse("chat_template", because: "cannot come with a request; the model's own is used")
        for key in ["audio", "prediction", "verbosity", "web_search_options"] { try refuse(key) }
    }
}
