// The tiny chat checkpoint with a template that shows calls and thinking, and the tags of thinking as tokens.
//
// Its weights are random: whatever is well-formed in its answers is well-formed by construction.
import Foundation
import QuernJSON

public enum TalkingModel {
    private static let template = """
        {% if tools %}<|im_start|>system
        Calls: <tool_call>{"name": N, "arguments": A}</tool_call>. Tools:
        {% for tool in tools %}{{ tool.function.name }} {% endfor %}<|im_end|>
        {% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
        {% if message.reasoning_content %}<think>
        {{ message.reasoning_content }}
        </think>

        {% endif %}{{ message.content }}{% for call in message.tool_calls or [] %}<tool_call>
        {"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
        </tool_call>{% endfor %}<|im_end|>
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
        {% if enable_thinking %}<think>
        {% endif %}{% endif %}
        """

    /// Writes the checkpoint into `folder`; returns its path.
    public static func write(into folder: TemporaryFolder) throws -> String {
        let source = URL(filePath: QuernBinary.tinyChat)
        for name in ["config.json", "generation_config.json", "model.safetensors"] {
            try folder.write(name, [UInt8](try Data(contentsOf: source.appending(path: name))))
        }
        try edit("tokenizer_config.json", source, folder) { $0["chat_template"] = .string(template) }
        try edit("tokenizer.json", source, folder) { tokenizer in
            let tags = ["<think>", "</think>"].enumerated().map { number, tag -> JSONValue in
                [
                    "id": .int(Int64(323 + number)), "content": .string(tag), "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": false,
                ]
            }
            tokenizer["added_tokens"] = .array((tokenizer["added_tokens"]?.arrayValue ?? []) + tags)
        }
        return folder.url.path
    }

    private static func edit(_ name: String, _ source: URL, _ folder: TemporaryFolder, _ change: (inout JSONObject) -> Void) throws {
        var object = try JSONValue(parsing: [UInt8](try Data(contentsOf: source.appending(path: name)))).objectValue ?? JSONObject()
        change(&object)
        try folder.write(name, Array(JSONValue.object(object).serialized().utf8))
    }
}
