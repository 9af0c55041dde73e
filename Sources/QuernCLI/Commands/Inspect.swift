import ArgumentParser
import Foundation
import QuernCheckpoint
import QuernJSON

/// Shows what is inside a model file.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is inside a GGUF file, a safetensors directory or a .quern archive.",
        discussion: """
            Examples:
              quern inspect models/qwen.quern
              quern inspect --tensors model.gguf
              quern inspect --json --verify models/qwen.quern
            """)

    @Argument(help: "The model.")
    var file: String

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "List every tensor.")
    var tensors = false

    @Flag(help: "Read everything: checksums of an archive, finite values of other formats.")
    var verify = false

    @Flag(help: "Print the chat template and nothing else.")
    var template = false

    func run() throws {
        let checkpoint = try openCheckpoint(path: file)
        if template {
            _ = try StandardOutput.write((checkpoint.chatTemplate ?? "") + "\n")
            return
        }
        let inspection = try Inspection(checkpoint)
        let verified = verify ? try inspection.verify() : nil
        var report = inspection.report(listsTensors: tensors || json)
        if let verified { report.append("verified", .string(verified)) }
        let text = json ? JSONValue.object(report).serialized(.pretty) : Inspection.describe(report)
        _ = try StandardOutput.write(text + "\n")
    }
}
