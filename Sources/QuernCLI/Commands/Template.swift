// `quern template`.
import ArgumentParser
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernTemplate
import QuernTokenizer

/// Messages to the prompt text a model's chat template makes of them.
struct Template: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Render messages with a model's chat template.",
        discussion: """
            Reads a JSON list of messages, or an object with "messages" and further template variables, from standard input. \
            Needs no daemon and no weights.

            Examples:
              echo '[{"role": "user", "content": "Hi"}]' | quern template -m models/qwen.quern
              quern template -m models/qwen.quern --tools tools.json --kwargs '{"enable_thinking": false}' < messages.json
              quern template -m models/qwen.quern --jsonl < chats.jsonl      {"messages": […]} in, {"text": …} out
              quern template -m models/qwen.quern --source
            """)

    @Option(name: .shortAndLong, help: "A model with a chat template.")
    var model: String?

    @Option(help: "A JSON file with the list of tools.")
    var tools: String?

    @Option(help: "Further template variables as a JSON object.")
    var kwargs: String?

    @OptionGroup var configuration: ConfigurationOptions

    @Flag(help: "Read one JSON document per line, write {\"text\": …} lines.")
    var jsonl = false

    @Flag(inversion: .prefixedNo, help: "End with the opening of the assistant's turn.")
    var generationPrompt = true

    @Flag(help: "Print the template itself.")
    var source = false

    func run() throws {
        let path = try ModelLocator.resolve(model, try configuration.settings())
        let checkpoint = try openCheckpoint(path: path)
        guard let text = checkpoint.chatTemplate else { throw Failure(status: 65, message: "\(path): has no chat template") }
        if source { _ = try StandardOutput.write(text + "\n"); return }
        let template = try Self.parse(text, path)
        let variables = try fixedVariables(checkpoint)
        if jsonl {
            return try mapLines { ["text": .string(try render($0, template, variables))] }
        }
        let input = try JSONValue(parsing: [UInt8](FileHandle.standardInput.readDataToEndOfFile()))
        _ = try StandardOutput.write(try render(input, template, variables))
    }

    private static func parse(_ text: String, _ path: String) throws -> ChatTemplate {
        do {
            return try ChatTemplate(source: text)
        } catch {
            throw Failure(status: 65, message: "\(path): chat template: \(error)")
        }
    }

    /// What is the same for every document: kwargs, tools, the spelling of control tokens.
    private func fixedVariables(_ checkpoint: any Checkpoint) throws -> JSONObject {
        var variables = JSONObject()
        if let kwargs {
            guard let object = try JSONValue(parsing: Array(kwargs.utf8)).objectValue else {
                throw Failure.usage("--kwargs is not a JSON object")
            }
            variables = object
        }
        if let tools {
            guard let data = FileManager.default.contents(atPath: tools) else { throw Failure.missing("\(tools): cannot be read") }
            variables["tools"] = try JSONValue(parsing: [UInt8](data))
        }
        let definition = try checkpoint.tokenizerDefinition()
        func spelling(_ id: TokenID?) -> JSONValue {
            .string(definition.flatMap { tokens in id.map { String(decoding: tokens.tokens[Int($0)], as: UTF8.self) } } ?? "")
        }
        variables["bos_token"] = spelling(definition?.bosTokenID)
        variables["eos_token"] = spelling(definition?.eosTokenID)
        variables["add_generation_prompt"] = .bool(generationPrompt)
        return variables
    }

    private func render(_ input: JSONValue, _ template: ChatTemplate, _ fixed: JSONObject) throws -> String {
        var variables = fixed
        switch input {
        case .array: variables["messages"] = input
        case .object(let object): for member in object.members { variables[member.key] = member.value }
        default: throw Failure(status: 65, message: "standard input: is neither a list of messages nor an object")
        }
        do {
            return try template.render(variables).text
        } catch {
            throw Failure.general("chat template: \(error)")
        }
    }
}
